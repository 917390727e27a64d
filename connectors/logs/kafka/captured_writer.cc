#include "connectors/logs/kafka/captured_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/logs/kafka/captured_reader.h"
#include "connectors/logs/kafka/captured_record.h"
#include "pipeline/base/log.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::logs::kafka {
namespace {

constexpr Duration kPatience{10'000};
constexpr std::size_t kAroundMessage = 256;

}  // namespace

struct CapturedWriter::Sent {
  std::string message;
  Offsets next;  // after it
  AppendDone done;
  std::optional<Error> refused;  // it was not sent
};

CapturedWriter::CapturedWriter(const Around& around)
    : around_(around), topic_(around.config.captured_topic()), next_(static_cast<std::size_t>(around.partitions), 0) {}

Result<std::unique_ptr<CapturedWriter>> CapturedWriter::open(const Around& around) {
  std::unique_ptr<CapturedWriter> writer(new CapturedWriter(around));
  TRY(writer->look());
  TRY(writer->start());
  return writer;
}

// What the newest record says is how many events there were.
Result<void> CapturedWriter::look() {
  TRY_ASSIGN(const auto bounds, around_.looker.bounds({topic_, 0}, kPatience));
  const auto [first, end] = bounds;
  around_.reach.grow(next_, end);
  grown_ = first > 0;  // with nothing in it, nothing says for how many partitions it was written
  if (first == end) return {};
  TRY_ASSIGN(const auto oldest, CapturedReader::open(around_.config, around_.reach, nullptr, first, {}));
  TRY_ASSIGN(const auto old_record, oldest->next());
  TRY_ASSIGN(const auto newest, CapturedReader::open(around_.config, around_.reach, nullptr, end - 1, {}));
  TRY_ASSIGN(const auto record, newest->next());
  if (!record || !old_record)
    return fail(ErrorKind::unavailable, fmt::format("topic '{}': its newest record cannot be read", topic_));
  if (record->next.size() > next_.size()) {
    return fail(ErrorKind::invalid,
                fmt::format("topic '{}' was written for {} partitions, and `events` has {}; there cannot be fewer while "
                            "something is in it: choose another `prefix`",
                            topic_, record->next.size(), next_.size()));
  }
  grown_ = old_record->next.size() < next_.size();
  if (record->next.size() < next_.size()) {
    log_warning("log",
                "`events` has {} partitions now, and had {}: distinct ids are spread anew, and the order of the events of "
                "one is promised again for what is accepted from now on",
                next_.size(), record->next.size());
  }
  std::ranges::copy(record->next, next_.begin());
  Offsets begin = old_record->next;
  begin.resize(next_.size(), 0);
  for (const auto& chunk : old_record->chunks) begin[static_cast<std::size_t>(chunk->partition())] -= chunk->size();
  for (std::size_t p = 0; p < begin.size(); ++p) around_.reach.begin_at(p, begin[p]);
  around_.reach.grow(next_, end);
  return {};
}

Result<void> CapturedWriter::start() {
  TRY_ASSIGN(producer_, penstock::kafka::Producer::start(
                            capture_settings(around_.config, around_.message_max), {"log", "captured"}, around_.metrics,
                            [this](std::span<const penstock::kafka::Report> reports) { on_reports(reports); }));
  return {};
}

CapturedWriter::~CapturedWriter() {
  close();
  producer_.reset();
}

void CapturedWriter::append(LogRecord record, AppendDone done) {
  auto prepared = log_format::prepare(std::move(record), around_.partitions);
  if (!prepared) return done(fail(std::move(prepared).error()));
  auto sent = std::make_unique<Sent>();
  sent->done = std::move(done);
  if (auto refused = give_to_client(std::move(sent), *prepared)) refused->done(fail(*std::move(refused->refused)));
}

// What cannot be sent comes back. With the lock over all of it, messages are in the order of their offsets.
std::unique_ptr<CapturedWriter::Sent> CapturedWriter::give_to_client(std::unique_ptr<Sent> sent,
                                                                     log_format::PreparedRecord& record) {
  const auto refuse = [&](ErrorKind kind, std::string why) {
    sent->refused = Error{kind, std::move(why)};
    return std::move(sent);
  };
  const std::lock_guard lock(mutex_);
  if (closed_) return refuse(ErrorKind::stopped, "the log is closed");
  if (!producer_->usable()) {
    if (under_way_ > 0) return refuse(ErrorKind::unavailable, "the client is being replaced: " + producer_->trouble());
    if (const auto started = start(); !started) return refuse(started.error().kind, started.error().message);
  }
  Offsets next = around_.reach.end();  // with what others wrote, as far as that is known here
  for (std::size_t p = 0; p < next.size(); ++p) next[p] = std::max(next[p], next_[p]);
  sent->message = encode_captured(record, around_.clock.now(), next);
  sent->next = next;
  if (sent->message.size() + kAroundMessage > around_.message_max) {
    return refuse(ErrorKind::limit,
                  fmt::format("append: a record of {} bytes; topic '{}' takes {}, see its max.message.bytes",
                              sent->message.size(), topic_, around_.message_max));
  }
  const std::size_t bytes = sent->message.size();
  pending_bytes_ += bytes;
  const int code = producer_->send({.topic = topic_,
                                    .key = std::nullopt,
                                    .value = sent->message,
                                    .headers = {},
                                    .timestamp = around_.clock.now(),
                                    .tag = sent.get()});
  if (code != 0) {
    pending_bytes_ -= bytes;
    return refuse(ErrorKind::unavailable,
                  penstock::kafka::sentence_of(code, {.topic = topic_, .bytes = bytes, .by_client = true}));
  }
  next_ = std::move(next);
  ++under_way_;
  static_cast<void>(sent.release());  // the report has it
  return nullptr;
}

void CapturedWriter::on_reports(std::span<const penstock::kafka::Report> reports) {
  for (const auto& report : reports) {
    const std::unique_ptr<Sent> sent(static_cast<Sent*>(report.tag));
    answer(*sent, report);
    const std::lock_guard lock(mutex_);
    --under_way_;
    answered_.notify_all();
  }
}

void CapturedWriter::answer(Sent& sent, const penstock::kafka::Report& report) {
  pending_bytes_ -= sent.message.size();
  if (report.code != 0) {
    return sent.done(fail(ErrorKind::unavailable,
                          penstock::kafka::sentence_of(report.code, {.topic = topic_, .bytes = sent.message.size()})));
  }
  around_.reach.grow(sent.next, report.offset + 1);
  sent.done(Appended{report.offset, std::move(sent.next)});
}

void CapturedWriter::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  answered_.wait(lock, [&] { return under_way_ == 0; });
}

}  // namespace penstock::logs::kafka
