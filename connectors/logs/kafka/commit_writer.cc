#include "connectors/logs/kafka/commit_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "connectors/logs/kafka/facts_header.h"
#include "connectors/logs/kafka/state_reader.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/event/event_bytes.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Transactions;

constexpr Duration kTakeOverWithin{10'000};
constexpr Duration kTakeOverAtStart{60'000};
constexpr Duration kPatience{10'000};
constexpr std::chrono::seconds kBetweenTries{1};
constexpr std::size_t kGroupMax = 32 << 20;
// What a message has besides its key, value and header, and a batch of one message around it.
constexpr std::size_t kAroundMessage = 256;
// A marker of a transaction takes an offset in each partition that it wrote to.
constexpr std::uint64_t kMarker = 1;

Uuid random_uuid() {
  std::random_device random;
  Uuid made;
  for (auto& byte : made.bytes) byte = static_cast<std::uint8_t>(random());
  return made;
}

Attachment attachment_of(const LogRecord& record, std::size_t chunk, std::uint32_t event) {
  return chunk < record.attachments.size() ? record.attachments[chunk].of(event) : Attachment{};
}

std::size_t size_of(const LogRecord& changes) {
  std::size_t sum = 0;
  for (const auto& each : changes.attachments) sum += each.bytes();
  for (const auto& letter : changes.dead) sum += letter.body.size() + letter.reason.size();
  for (const auto& change : changes.state) sum += change.key.size() + change.value.size();
  for (const auto& position : changes.positions) sum += position.position.size();
  return sum;
}

}  // namespace

CommitWriter::CommitWriter(const Around& around)
    : around_(around), holder_(random_uuid()), next_(static_cast<std::size_t>(around.partitions), 0) {}

Result<std::unique_ptr<CommitWriter>> CommitWriter::open(const Around& around) {
  std::unique_ptr<CommitWriter> writer(new CommitWriter(around));
  const auto deadline = std::chrono::steady_clock::now() + kTakeOverAtStart;
  for (;;) {
    auto taken = writer->take_over();
    if (taken) taken = writer->claim();
    if (taken) break;
    if (taken.error().kind != ErrorKind::unavailable || std::chrono::steady_clock::now() > deadline)
      return fail(std::move(taken).error());
    writer->transactions_.reset();
  }
  writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  return writer;
}

CommitWriter::~CommitWriter() { close(); }

// Whoever had the log can write no more once this has begun, and what they had begun to write is decided.
Result<void> CommitWriter::take_over() {
  const auto& config = around_.config;
  TRY_ASSIGN(transactions_, Transactions::start(commit_settings(config, around_.events_max, around_.state_max),
                                                {"log", "events"}, around_.metrics));
  events_topic_ = transactions_->topic(config.events_topic());
  TRY(transactions_->take_over(kTakeOverWithin, around_.stop));
  TRY_ASSIGN(newest_, newest_commit(around_.looker, config.state_topic()));
  return measure();
}

Result<void> CommitWriter::measure() {
  const std::string topic = around_.config.events_topic();
  for (std::size_t p = 0; p < next_.size(); ++p) {
    TRY_ASSIGN(const auto bounds, around_.looker.bounds({topic, static_cast<int>(p)}, kPatience));
    around_.reach.begin_at(p, bounds.first);
    next_[p] = std::max(next_[p], bounds.second);
  }
  return {};
}

// So that a process that lost the log without knowing sees that it was not a broker who ended its transaction.
Result<void> CommitWriter::claim() {
  newest_.holder = holder_;
  const StateRow row = encode_commit(newest_);
  TRY(transactions_->begin());
  TRY(transactions_->send(transactions_->topic(around_.config.state_topic()), 0, row.key, row.value, {}));
  TRY(transactions_->commit());
  around_.reach.grow(next_, newest_.next_sequence);
  return {};
}

Result<CommitWriter::Waiting> CommitWriter::prepare(LogRecord record) const {
  Waiting waiting;
  const auto too_large = [](std::size_t bytes, std::uint64_t most) {
    return fail(ErrorKind::limit,
                fmt::format("append: a message of {} bytes; its topic takes {}, see max.message.bytes", bytes, most));
  };
  for (std::string& stored : record.chunks) {
    waiting.bytes += stored.size();
    auto chunk = Chunk::open(std::move(stored));
    if (!chunk) return fail(ErrorKind::invalid, "append: " + chunk.error().message);
    if ((*chunk)->partition() >= around_.partitions) {
      return fail(ErrorKind::invalid, fmt::format("append: a chunk of partition {} in a log of {} partitions",
                                                  (*chunk)->partition(), around_.partitions));
    }
    for (std::uint32_t i = 0; i < (*chunk)->size(); ++i) {
      auto body = (*chunk)->body(i);
      if (!body) return fail(ErrorKind::invalid, "append: " + body.error().message);
      const std::size_t bytes =
          event_bytes((*chunk)->facts(i), *body) + attachment_of(record, waiting.chunks.size(), i).bytes();
      if (bytes > event_bytes_max()) return too_large(bytes, around_.events_max);
    }
    waiting.chunks.push_back(*std::move(chunk));
  }
  record.chunks.clear();
  waiting.changes = std::move(record);
  for (const StateRow& row : encode_rows(waiting.changes, {})) {
    const std::size_t bytes = row.key.size() + row.value.size();
    if (bytes + kAroundMessage > around_.state_max) return too_large(bytes, around_.state_max);
  }
  waiting.bytes += size_of(waiting.changes);
  return waiting;
}

void CommitWriter::append(LogRecord record, AppendDone done) {
  auto prepared = prepare(std::move(record));
  std::unique_lock lock(mutex_);
  if (closed_ || failure_) {
    const Error why = failure_.value_or(Error{ErrorKind::stopped, "the log is closed"});
    lock.unlock();
    return done(fail(why));
  }
  // One that fails alone keeps its place among the answers.
  Waiting waiting = prepared ? *std::move(prepared) : Waiting{};
  waiting.done =
      prepared ? std::move(done)
               : [done = std::move(done), why = prepared.error()](const Result<Appended>&) mutable { done(fail(why)); };
  waiting.impossible = !prepared;
  pending_bytes_ += waiting.bytes;
  queue_.push_back(std::move(waiting));
  lock.unlock();
  filled_.notify_one();
}

std::size_t CommitWriter::event_bytes_max() const {
  return around_.events_max - std::min<std::uint64_t>(around_.events_max, kAroundMessage);
}

std::size_t CommitWriter::letter_bytes_max() const {
  return around_.state_max - std::min<std::uint64_t>(around_.state_max, 2 * kAroundMessage);
}

std::size_t CommitWriter::pending_bytes() const {
  const std::lock_guard lock(mutex_);
  return pending_bytes_;
}

std::optional<Error> CommitWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<Error> CommitWriter::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void CommitWriter::note(std::optional<Error> trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

void CommitWriter::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_all();
  const std::lock_guard one(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void CommitWriter::run() {
  name_this_thread("log-events");
  for (;;) {
    Group group = take_group();
    if (group.empty()) break;
    commit(std::move(group));
  }
  transactions_.reset();
}

// Empty: the log is closed, and nothing is left.
CommitWriter::Group CommitWriter::take_group() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [&] { return !queue_.empty() || closed_; });
  Group group;
  std::size_t bytes = 0;
  while (!queue_.empty() && (group.empty() || bytes + queue_.front().bytes <= kGroupMax)) {
    bytes += queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

CommitWriter::Group CommitWriter::take_queued() {
  const std::lock_guard lock(mutex_);
  Group group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.end()));
  queue_.clear();
  return group;
}

void CommitWriter::commit(Group group) {
  if (const auto failed = given_up_ ? given_up_ : failure()) return answer(std::move(group), failed);
  auto written = write(group);
  if (written) return answer(std::move(group), std::nullopt);
  const auto fate = fate_of(group, std::move(written).error());
  if (!fate) return answer(std::move(group), std::nullopt);
  std::ranges::move(take_queued(), std::back_inserter(group));
  answer(std::move(group), fate);
}

Result<void> CommitWriter::write(Group& group) {
  Commit newest = newest_;
  Offsets next = next_;
  std::vector<std::vector<StateRow>> rows;  // must stay until the commit
  const auto state = transactions_->topic(around_.config.state_topic());
  bool begun = false;
  for (Waiting& waiting : group) {
    if (waiting.impossible) continue;
    if (!std::exchange(begun, true)) TRY(transactions_->begin());
    const Offsets before = next;
    TRY(send_events(waiting, next));
    newest.chain_version = waiting.changes.chain_version;
    waiting.appended = {newest.next_sequence++, next};
    rows.push_back(encode_rows(waiting.changes, newest));
    for (const StateRow& row : rows.back()) TRY(transactions_->send(state, 0, row.key, row.value, {}));
  }
  if (!begun) return {};
  TRY(transactions_->commit());
  for (std::size_t p = 0; p < next.size(); ++p) next_[p] = next[p] + (next[p] > next_[p] ? kMarker : 0);
  for (Waiting& waiting : group) {
    if (&waiting == &group.back()) waiting.appended.next = next_;
  }
  newest_ = newest;
  around_.reach.grow(next_, newest_.next_sequence);
  return {};
}

Result<void> CommitWriter::send_events(const Waiting& waiting, Offsets& next) {
  const Timestamp now = around_.clock.now();
  for (std::size_t c = 0; c < waiting.chunks.size(); ++c) {
    const Chunk& chunk = *waiting.chunks[c];
    for (std::uint32_t i = 0; i < chunk.size(); ++i) TRY(send_event(chunk, i, attachment_of(waiting.changes, c, i), now));
    next[static_cast<std::size_t>(chunk.partition())] += chunk.size();
  }
  return {};
}

Result<void> CommitWriter::send_event(const Chunk& chunk, std::uint32_t index, const Attachment& attachment, Timestamp now) {
  const Facts& facts = chunk.facts(index);
  const bool has_id = !facts.distinct_id.empty();
  const auto key = attachment.key ? attachment.key : has_id ? std::optional(facts.distinct_id) : std::nullopt;
  TRY_ASSIGN(const std::string_view body, chunk.body(index));
  headers_.clear();
  if (around_.config.facts == FactsForm::header && !body.empty()) {
    facts_header_.clear();
    encode_facts(facts, key.value_or(std::string_view()), facts_header_);
    headers_.push_back({kFactsHeader, facts_header_});
  }
  if (!attachment.headers.empty()) {
    attached_.clear();
    read_headers(attachment.headers, attached_);
    for (const auto& [name, value] : attached_)
      if (name != kFactsHeader) headers_.push_back({name, value});
  }
  const auto value = body.empty() ? std::nullopt : std::optional(body);  // an event has a body, a tombstone has none
  return transactions_->send(events_topic_, chunk.partition(), key, value,
                             {headers_, around_.times.taken(attachment.time, now)});
}

// Nullopt: all of it is durable. Else none of it is, and this is why.
std::optional<Error> CommitWriter::fate_of(const Group& group, Error why) {
  const auto records = static_cast<std::uint64_t>(std::ranges::count(group, false, &Waiting::impossible));
  const std::uint64_t expected = newest_.next_sequence + records;
  log_warning("log", "{}; looking at what became of it", why.message);
  note(why);
  for (;;) {
    transactions_.reset();
    auto taken = look_whose();
    if (taken) taken = take_over();
    if (taken) taken = look_whose();
    note(taken ? std::nullopt : std::optional(taken.error()));
    if (taken) break;
    if (taken.error().kind != ErrorKind::unavailable) {
      transactions_.reset();
      const std::lock_guard lock(mutex_);
      return failure_ = taken.error();
    }
    if (pause())
      return given_up_ = Error{ErrorKind::stopped, "the log was closed before a broker answered: " + taken.error().message};
  }
  around_.reach.grow(next_, newest_.next_sequence);
  if (newest_.next_sequence == expected && records > 0) return std::nullopt;
  return why;
}

// Before anybody is shut out, and after: whoever claimed the log keeps it.
Result<void> CommitWriter::look_whose() {
  TRY_ASSIGN(const Commit newest, newest_commit(around_.looker, around_.config.state_topic()));
  if (newest.holder == holder_) return {};
  return fail(ErrorKind::conflict,
              fmt::format("another process has taken over the log with the prefix '{}'; one at a time can write to it",
                          around_.config.prefix));
}

// True: the log is being closed, and there is no time to wait.
bool CommitWriter::pause() {
  std::unique_lock lock(mutex_);
  return filled_.wait_for(lock, kBetweenTries, [&] { return closed_; });
}

void CommitWriter::answer(Group group, const std::optional<Error>& error) {
  for (Waiting& waiting : group) {
    {
      const std::lock_guard lock(mutex_);
      pending_bytes_ -= waiting.bytes;
    }
    waiting.done(error ? Result<Appended>(fail(*error)) : Result<Appended>(std::move(waiting.appended)));
  }
}

}  // namespace penstock::logs::kafka
