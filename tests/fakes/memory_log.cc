#include "tests/fakes/memory_log.h"

#include <algorithm>
#include <map>
#include <utility>

#include "pipeline/base/check.h"

namespace penstock::fakes {
namespace {

std::size_t size_of(const LogRecord& record) {
  std::size_t bytes = 0;
  for (const auto& chunk : record.chunks) bytes += chunk.size();
  return bytes;
}

// Whether the record holds anything at or after `start`.
bool reaches(const StoredRecord& record, const Offsets& start) {
  return std::ranges::any_of(record.chunks, [&](const auto& chunk) {
    const auto partition = static_cast<std::size_t>(chunk->partition());
    const auto wanted = partition < start.size() ? start[partition] : 0;
    return chunk->base_offset() + chunk->size() > wanted;
  });
}

}  // namespace

class MemoryLog::MemoryReader final : public LogReader {
 public:
  MemoryReader(MemoryLog& log, LogName name, std::uint64_t sequence, PartitionShare share = {})
      : log_(log), name_(name), share_(share), sequence_(sequence) {}

  Result<std::shared_ptr<const StoredRecord>> next() override {
    const std::lock_guard lock(log_.mutex_);
    if (!log_.read_failures_.empty()) {
      Error error = std::move(log_.read_failures_.front());
      log_.read_failures_.pop_front();
      return penstock::fail(std::move(error));
    }
    const One& from = log_.one(name_);
    if (sequence_ < from.first_sequence) return penstock::fail(ErrorKind::not_found, "retention has removed the record");
    if (name_ == LogName::events && log_.damaged_ && log_.damaged_->first == sequence_)
      return penstock::fail(log_.damaged_->second);
    const auto index = static_cast<std::size_t>(sequence_ - from.first_sequence);
    if (index >= from.records.size()) return std::shared_ptr<const StoredRecord>();
    ++sequence_;
    return share_of(from.records[index]);
  }

  void wait(std::chrono::steady_clock::time_point deadline) override {
    std::unique_lock lock(log_.mutex_);
    log_.grown_.wait_until(lock, deadline, [&] {
      const One& from = log_.one(name_);
      return log_.closed_ || sequence_ < from.first_sequence + from.records.size();
    });
  }

 private:
  Record share_of(const Record& record) const {
    if (share_.of == 1) return record;
    auto part = std::make_shared<StoredRecord>(*record);
    std::erase_if(part->chunks, [&](const auto& chunk) { return !share_.has(chunk->partition()); });
    return part;
  }

  MemoryLog& log_;
  const LogName name_;
  const PartitionShare share_;
  std::uint64_t sequence_;
};

MemoryLog::MemoryLog(const Clock& clock, int partitions) : clock_(clock), partitions_(partitions) {
  for (auto* log : {&captured_, &events_}) {
    log->begin.assign(static_cast<std::size_t>(partitions), 0);
    log->end = log->begin;
  }
}

void MemoryLog::add(LogName log, const std::vector<SampleEvent>& events) {
  std::map<int, ChunkBuilder> builders;
  for (const auto& sample : events) {
    Facts facts;
    facts.uuid = Uuid::v5({}, sample.body);
    facts.project = "shop";
    facts.event = sample.event;
    facts.distinct_id = sample.distinct_id;
    facts.source = "web";
    facts.received_at = sample.received_at.ms == 0 ? clock_.now() : sample.received_at;
    facts.timestamp = facts.received_at;
    const int partition = partition_of(facts, partitions_);
    builders.try_emplace(partition, partition).first->second.add(facts, sample.body);
  }
  LogRecord record;
  for (auto& [partition, builder] : builders) builder.finish(record.chunks.emplace_back());
  append(log, std::move(record), [](Result<Appended>) {});
}

void MemoryLog::cork() {
  const std::lock_guard lock(mutex_);
  corked_ = true;
}

void MemoryLog::uncork() {
  {
    const std::lock_guard lock(mutex_);
    corked_ = false;
  }
  settle_pending();
}

void MemoryLog::break_sync(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = Error{ErrorKind::io, std::move(reason)};
    corked_ = false;
  }
  settle_pending();
}

void MemoryLog::refuse_next_append(Error error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
}

void MemoryLog::fail_next_read(Error error, int times) {
  const std::lock_guard lock(mutex_);
  read_failures_.insert(read_failures_.end(), static_cast<std::size_t>(times), error);
}

void MemoryLog::damage_events(std::uint64_t sequence, Error error) {
  const std::lock_guard lock(mutex_);
  damaged_.emplace(sequence, std::move(error));
}

void MemoryLog::mend_events() {
  const std::lock_guard lock(mutex_);
  damaged_.reset();
}

void MemoryLog::drop_records_before(LogName log, std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  One& from = one(log);
  while (!from.records.empty() && from.first_sequence < sequence) {
    from.begin = from.records.front()->next;
    from.records.pop_front();
    ++from.first_sequence;
  }
}

std::vector<std::shared_ptr<const StoredRecord>> MemoryLog::records(LogName log) const {
  const std::lock_guard lock(mutex_);
  return {one(log).records.begin(), one(log).records.end()};
}

void MemoryLog::append(LogName log, LogRecord record, AppendDone done) {
  {
    const std::lock_guard lock(mutex_);
    pending_.push_back({log, std::move(record), std::move(done)});
  }
  settle_pending();
}

// Answers outside the lock, in order, one thread at a time; an answer may append again.
void MemoryLog::settle_pending() {
  std::unique_lock lock(mutex_);
  if (settling_) return;
  settling_ = true;
  while (!pending_.empty() && !corked_) {
    Pending next = std::move(pending_.front());
    pending_.pop_front();
    Result<Appended> result = Appended{};
    if (failure_) {
      result = penstock::fail(*failure_);
    } else if (refusal_) {
      result = penstock::fail(*std::exchange(refusal_, std::nullopt));
    } else if (closed_) {
      result = penstock::fail(ErrorKind::stopped, "the log is closed");
    } else {
      result = store(next.log, std::move(next.record));
    }
    lock.unlock();
    grown_.notify_all();
    next.done(std::move(result));
    lock.lock();
  }
  settling_ = false;
}

Appended MemoryLog::store(LogName log, LogRecord record) {
  One& to = one(log);
  to.bytes += size_of(record);
  auto stored = std::make_shared<StoredRecord>();
  for (auto& bytes : record.chunks) {
    const auto unplaced = Chunk::open(bytes);
    CHECK(unplaced.has_value());
    const auto partition = static_cast<std::size_t>((*unplaced)->partition());
    set_base_offset(bytes, to.end[partition]);
    auto chunk = Chunk::open(std::move(bytes));
    CHECK(chunk.has_value());
    to.end[partition] += (*chunk)->size();
    stored->chunks.push_back(*std::move(chunk));
  }
  stored->sequence = to.first_sequence + to.records.size();
  stored->appended_at = clock_.now();
  stored->dead = std::move(record.dead);
  stored->state = std::move(record.state);
  stored->positions = std::move(record.positions);
  stored->chain_version = record.chain_version;
  stored->next = to.end;
  to.records.push_back(stored);
  return {stored->sequence, stored->next};
}

Result<std::unique_ptr<LogReader>> MemoryLog::read(LogName log, const Offsets& start) {
  const std::lock_guard lock(mutex_);
  const One& from = one(log);
  for (std::size_t p = 0; p < from.begin.size(); ++p) {
    if ((p < start.size() ? start[p] : 0) < from.begin[p]) {
      return penstock::fail(ErrorKind::not_found, "retention has removed the position");
    }
  }
  std::size_t index = 0;
  while (index < from.records.size() && !reaches(*from.records[index], start)) ++index;
  return std::make_unique<MemoryReader>(*this, log, from.first_sequence + index);
}

Result<std::unique_ptr<LogReader>> MemoryLog::read_from_sequence(LogName log, std::uint64_t sequence) {
  return read_share(log, sequence, {});
}

Result<std::unique_ptr<LogReader>> MemoryLog::read_share(LogName log, std::uint64_t sequence, PartitionShare share) {
  const std::lock_guard lock(mutex_);
  if (sequence < one(log).first_sequence) return penstock::fail(ErrorKind::not_found, "retention has removed the record");
  return std::make_unique<MemoryReader>(*this, log, sequence, share);
}

Result<Offsets> MemoryLog::offsets_at(LogName log, Timestamp time) {
  const std::lock_guard lock(mutex_);
  Offsets before = one(log).begin;
  for (const auto& record : one(log).records) {
    if (record->appended_at >= time) break;
    before = record->next;
  }
  return before;
}

Result<Trimmed> MemoryLog::trim(LogName log, const TrimLimits& limits) {
  const std::lock_guard lock(mutex_);
  One& from = one(log);
  Trimmed trimmed;
  while (from.records.size() > 1) {
    const StoredRecord& oldest = *from.records.front();
    const bool unwanted = from.bytes > limits.bytes_max || oldest.appended_at < limits.older_than;
    bool wanted = false;
    for (std::size_t p = 0; p < limits.keep_from.size(); ++p) wanted |= oldest.next[p] > limits.keep_from[p];
    if (!unwanted || wanted) break;
    trimmed.kept_by_sequence = oldest.sequence >= limits.before_sequence;
    if (trimmed.kept_by_sequence) break;
    for (std::size_t p = 0; p < from.begin.size(); ++p) trimmed.events += oldest.next[p] - from.begin[p];
    const std::uint64_t bytes = from.bytes / from.records.size();
    trimmed.bytes += bytes;
    from.bytes -= bytes;
    from.begin = oldest.next;
    from.records.pop_front();
    ++from.first_sequence;
  }
  return trimmed;
}

Offsets MemoryLog::begin(LogName log) const {
  const std::lock_guard lock(mutex_);
  return one(log).begin;
}

Offsets MemoryLog::end(LogName log) const {
  const std::lock_guard lock(mutex_);
  return one(log).end;
}

std::uint64_t MemoryLog::next_sequence(LogName log) const {
  const std::lock_guard lock(mutex_);
  return one(log).first_sequence + one(log).records.size();
}

std::uint64_t MemoryLog::bytes(LogName log) const {
  const std::lock_guard lock(mutex_);
  return one(log).bytes;
}

std::size_t MemoryLog::pending_bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = 0;
  for (const auto& each : pending_) bytes += size_of(each.record);
  return bytes;
}

std::optional<Error> MemoryLog::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void MemoryLog::close() {
  uncork();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  grown_.notify_all();
}

}  // namespace penstock::fakes
