#include "connectors/logs/local/log_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"

namespace penstock::logs::local {
namespace {
// A buffer that one large group made is not kept for ever.
constexpr std::size_t kBufferKept = 8 << 20;
}  // namespace

void Failure::set(Error error) {
  const std::lock_guard lock(mutex_);
  if (error_) return;
  log_error("log", "{}; nothing more is accepted, because it could not be kept: the process must stop", error.message);
  error_ = std::move(error);
  is_set_ = true;
}

std::optional<Error> Failure::get() const {
  if (!is_set_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return error_;
}

LogWriter::LogWriter(Options options, Disk& disk, const Clock& clock, SegmentTable& table, Failure& failure,
                     std::atomic<std::size_t>& pending_bytes, Recovered recovered)
    : options_(options), disk_(disk), clock_(clock), table_(table), failure_(failure), pending_bytes_(pending_bytes),
      file_(std::move(recovered.last)), segment_(recovered.segments.back().first_sequence),
      durable_bytes_(recovered.segments.back().bytes), next_sequence_(recovered.next_sequence),
      next_(std::move(recovered.next)), last_append_(recovered.last_append),
      last_indexed_(recovered.index.empty() ? 0 : recovered.index.back().position) {
  if (options_.own_thread) thread_ = std::thread([this] { run(); });
}

LogWriter::~LogWriter() { close(); }

void LogWriter::append(Result<log_format::PreparedRecord> record, AppendDone done) {
  const std::size_t bytes = record ? record->bytes : 0;
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    return done(fail(ErrorKind::stopped, fmt::format("the log {} is closed", to_string(options_.log))));
  }
  pending_bytes_ += bytes;
  queue_.push_back({std::move(record), std::move(done), bytes, {}});
  lock.unlock();
  filled_.notify_one();
}

void LogWriter::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_one();
  const std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
  if (!options_.own_thread)
    while (write_queued()) {}
}

std::size_t LogWriter::queued() {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

bool LogWriter::write_queued() {
  Group group = take_group(false);
  if (group.empty()) return false;
  commit(std::move(group));
  return true;
}

void LogWriter::run() {
  name_this_thread(fmt::format("log-{}", to_string(options_.log)));
  for (;;) {
    Group group = take_group(true);
    if (group.empty()) return;
    commit(std::move(group));
  }
}

// Empty: when waiting, closed and drained; else, nothing queued.
LogWriter::Group LogWriter::take_group(bool wait) {
  Group group;
  std::unique_lock lock(mutex_);
  if (wait) filled_.wait(lock, [&] { return closed_ || !queue_.empty(); });
  std::uint64_t bytes = 0;
  while (!queue_.empty() && (group.empty() || bytes + queue_.front().bytes <= options_.group_max.count)) {
    bytes += queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

void LogWriter::commit(Group group) {
  if (auto failed = failure_.get()) return answer(group, failed);
  const auto written = write(group);
  note(written);
  if (!written) {
    for (; !group.empty(); group = take_group(false)) answer(group, written.error());
    return;
  }
  answer(group, std::nullopt);
}

void LogWriter::note(const Result<void>& written) {
  const std::lock_guard lock(mutex_);
  if (written) refusal_.reset();
  else refusal_ = written.error().context(fmt::format("the log {} cannot be written", to_string(options_.log)));
}

std::optional<Error> LogWriter::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

Result<void> LogWriter::write(Group& group) {
  TRY(roll_if_full());
  buffer_.clear();
  new_entries_.clear();
  const Offsets next_before = next_;
  const std::uint64_t sequence_before = next_sequence_;
  const std::uint64_t indexed_before = last_indexed_;
  last_append_ = std::max(last_append_, clock_.now());
  for (Waiting& waiting : group) {
    if (!waiting.record) continue;
    const std::uint64_t position = durable_bytes_ + buffer_.size();
    if (last_indexed_ == 0 || position - last_indexed_ >= kIndexSpacing) {
      new_entries_.push_back({next_sequence_, position, last_append_, next_});
      last_indexed_ = position;
    }
    log_format::append_record(*waiting.record, {next_sequence_, last_append_, durable_bytes_}, next_, buffer_);
    waiting.appended = {next_sequence_, next_};
    ++next_sequence_;
  }
  if (buffer_.empty()) return {};
  if (auto done = put_on_disk(); !done) {
    next_ = next_before;
    next_sequence_ = sequence_before;
    last_indexed_ = indexed_before;
    return done;
  }
  durable_bytes_ += buffer_.size();
  table_.publish(next_sequence_, next_, durable_bytes_, std::move(new_entries_));
  if (buffer_.capacity() > kBufferKept) std::string().swap(buffer_);
  return {};
}

Result<void> LogWriter::put_on_disk() {
  if (const auto written = file_->append(buffer_); !written) return cut_back(written.error());
  if (auto synced = file_->sync(); !synced) return fail(sticky(std::move(synced).error()));
  return {};
}

Result<void> LogWriter::roll_if_full() {
  if (durable_bytes_ < options_.segment_bytes.count || next_sequence_ == segment_) return {};
  const Timestamp now = std::max(last_append_, clock_.now());
  const log_format::SegmentHeader header{.log = options_.log,
                                         .first_sequence = next_sequence_,
                                         .created = now,
                                         .previous_sequence = segment_,
                                         .previous_bytes = durable_bytes_,
                                         .next = next_};
  auto created = create_segment(disk_, table_.folder(), header);
  if (!created && created.error().kind == ErrorKind::unavailable) {
    return fail(created.error().context("nothing was stored; free some space or wait"));
  }
  if (!created) return fail(sticky(std::move(created).error()));
  file_ = *std::move(created);
  segment_ = next_sequence_;
  durable_bytes_ = file_->size();
  last_indexed_ = 0;
  write_index(disk_, table_.folder(), table_.roll({segment_, now, durable_bytes_, next_}));
  return {};
}

Result<void> LogWriter::cut_back(const Error& why) {
  if (const auto cut = file_->truncate(durable_bytes_); !cut) {
    return fail(
        sticky(cut.error().context(fmt::format("after \"{}\" the half-written end could not be removed", why.message))));
  }
  return fail(ErrorKind::unavailable, fmt::format("nothing was stored; free some space or wait: {}", why.message));
}

Error LogWriter::sticky(Error error) {
  failure_.set(std::move(error).context(fmt::format("the log {} cannot promise durability", to_string(options_.log))));
  return *failure_.get();
}

void LogWriter::answer(Group& group, const std::optional<Error>& error) {
  for (Waiting& waiting : group) {
    pending_bytes_ -= waiting.bytes;
    if (!waiting.record) {
      waiting.done(fail(std::move(waiting.record).error()));
    } else if (error) {
      waiting.done(fail(*error));
    } else {
      waiting.done(std::move(waiting.appended));
    }
  }
}

}  // namespace penstock::logs::local
