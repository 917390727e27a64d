#include "pipeline/ingest/repartition.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/ingest/captured_position.h"

namespace penstock::ingest {
namespace {

constexpr std::size_t kPollBytes = 256 << 10;
// Of `captured`, that ingest has still to commit: what comes faster than the apps take it waits where it is.
constexpr std::uint64_t kAhead = 256;
constexpr Duration kIdleWait{20};
constexpr Duration kTryAgain{1000};
// Of a record that is too large for the log.
constexpr std::size_t kRefusedKept = 64 << 10;
constexpr std::string_view kTooLargeForLog = "the record is larger than the log takes";

void wait(Duration time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

Result<std::vector<SourcePosition>> positions_with_captured(
    Log& log, const std::string& source,
    const std::function<Result<std::vector<SourcePosition>>(const std::string&)>& stored) {
  TRY_ASSIGN(const auto committed, stored(kCapturedSource));
  TRY_ASSIGN(const auto captured, captured_positions(committed, log.partitions()));
  TRY_ASSIGN(const auto positions, stored(source));
  std::map<std::string, std::string> found;
  for (const auto& each : positions) found[each.partition] = each.position;
  // The positions are committed by whoever reads the partition 0, so they are as of there.
  TRY_ASSIGN(const auto reader, log.read_share(LogName::captured, captured[0], {0, log.partitions()}));
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) break;
    for (const auto& each : record->positions)
      if (each.source == source) found[each.partition] = each.position;
  }
  std::vector<SourcePosition> all;
  for (auto& [partition, position] : found) all.push_back({source, partition, std::move(position)});
  return all;
}

Repartition::Repartition(std::string name, std::unique_ptr<PolledSource> source, std::vector<SourcePosition> positions,
                         CapturedIntake& intake, SourceMetrics metrics, Behind behind)
    : name_(std::move(name)), source_(std::move(source)), intake_(intake), metrics_(std::move(metrics)),
      behind_(std::move(behind)) {
  for (auto& each : positions) positions_[each.partition] = std::move(each.position);
}

Repartition::~Repartition() { stop(); }

Result<void> Repartition::start(Intake&) {
  TRY(open());
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return {};
}

// What was polled and is not durable is polled again by the next process.
void Repartition::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

Result<void> Repartition::open() {
  std::vector<SourcePosition> positions;
  for (const auto& [partition, position] : positions_) positions.push_back({name_, partition, position});
  TRY(source_->open(positions));
  open_ = true;
  return {};
}

void Repartition::run(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  name_this_thread("repartition");
  while (!stop.stop_requested() && step(stop)) {}
  source_->close();
}

// False: nothing more will come.
bool Repartition::step(const std::stop_token& stop) {
  if (!open_) {
    if (const auto opened = open(); !opened) {
      complain(opened.error().message);
      wait(kTryAgain, stop);
      return true;
    }
  }
  if (!pending_) {
    if (behind_() >= kAhead) {
      wait(kIdleWait, stop);
      return true;
    }
    batch_.clear();
    const auto state = source_->poll(batch_, small_ > 0 ? 1 : kPollBytes);
    if (!state) {
      complain(state.error().message);
      source_->close();
      open_ = false;
      wait(kTryAgain, stop);
      return true;
    }
    tell(batch_);
    pending_ = !batch_.position.empty() || !batch_.records.empty();
    if (!pending_ && *state == PollState::finished) {
      finished_ = true;
      return false;
    }
    if (!pending_ && *state == PollState::idle) wait(kIdleWait, stop);
    if (!pending_) return true;
  }
  const auto pushed = push(batch_);
  if (!pushed && pushed.error().kind == ErrorKind::limit && read_in_small_pieces(batch_)) return true;
  if (!pushed) {
    complain(pushed.error().message);
    wait(kTryAgain, stop);
    return true;
  }
  complaint_.clear();
  pending_ = false;
  if (small_ > 0) --small_;
  if (!batch_.position.empty()) positions_[batch_.partition] = batch_.position;
  return true;
}

Result<void> Repartition::push(const RawBatch& batch) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Result<void>> answer;
  intake_.push_poll(batch, [&](Result<void> result) {
    const std::lock_guard lock(mutex);
    answer = std::move(result);
    answered.notify_one();
  });
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return answer.has_value(); });
  return *std::move(answer);
}

// No record of the log holds the batch: its records come again one by one, and one that is alone is a dead letter. False: it is one already.
bool Repartition::read_in_small_pieces(RawBatch& batch) {
  if (batch.records.size() > 1) {
    small_ = batch.records.size();
    pending_ = false;
    source_->close();
    open_ = false;
    return true;
  }
  if (batch.records.empty() || batch.records[0].refused == kTooLargeForLog) return false;
  batch.records[0].refused = kTooLargeForLog;
  batch.records[0].body = batch.records[0].body.substr(0, kRefusedKept);
  return true;
}

void Repartition::tell(const RawBatch& batch) const {
  for (const auto& warning : batch.warnings) {
    log_at(warning.loss ? LogLevel::error : LogLevel::warning, "ingest", "source {}: {}", name_, warning.text);
    (warning.loss ? metrics_.losses : metrics_.warnings).add();
  }
}

void Repartition::complain(const std::string& what) {
  if (std::exchange(complaint_, what) != what) log_warning("ingest", "source {} waits: {}", name_, what);
}

}  // namespace penstock::ingest
