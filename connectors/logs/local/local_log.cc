#include "connectors/logs/local/local_log.h"

#include <fmt/format.h>

#include <array>
#include <mutex>

#include "connectors/logs/local/data_folder.h"
#include "connectors/logs/local/local_reader.h"
#include "connectors/logs/local/log_writer.h"

namespace penstock::logs::local {
namespace {

SegmentTable table_of(const std::string& folder, Recovered& recovered) {
  return SegmentTable(folder, recovered.segments, std::move(recovered.index), recovered.next_sequence, recovered.next);
}

Result<LocalLogOptions> options_of_stopped(const std::string& folder, Disk& disk) {
  TRY_ASSIGN(const bool made, disk.exists(folder + "/FORMAT"));
  if (!made) return fail(ErrorKind::not_found, fmt::format("{} is not a data folder: it has no file FORMAT", folder));
  LocalLogOptions options;
  options.folder = folder;
  return options;
}

}  // namespace

struct LocalLog::OneLog {
  OneLog(LogWriter::Options options, Bytes recent_max, const std::string& folder, Disk& disk, const Clock& clock,
         Failure& failure, std::atomic<std::size_t>& pending, Recovered recovered)
      : recent(recent_max), table(table_of(folder, recovered)),
        writer(options, disk, clock, table, failure, pending, std::move(recovered)) {}

  RecentRecords recent;
  SegmentTable table;
  LogWriter writer;
  bool removal_unsynced = false;  // guarded by Impl::trimming; a segment was removed, and perhaps comes back
};

struct LocalLog::Impl {
  Impl(Disk& disk_to_use, DataFolder opened) : disk(disk_to_use), folder(std::move(opened)) {}

  OneLog& of(LogName log) { return *logs[static_cast<std::size_t>(log)]; }
  Result<std::unique_ptr<LogReader>> reader(LogName log, const SegmentTable::Reached& reached, LocalReader::Before before,
                                            PartitionShare share = {}) {
    OneLog& one = of(log);
    TRY_ASSIGN(auto start, seek(disk, one.table, reached));
    return std::make_unique<LocalReader>(disk, one.table, one.recent, memory, std::move(start), std::move(before), share);
  }

  Disk& disk;
  MemoryBudget* memory = nullptr;
  DataFolder folder;  // its lock is released last
  Failure failure;
  std::atomic<std::size_t> pending_bytes = 0;
  std::mutex trimming;
  int copying = 0;  // guarded by trimming; while it is more, nothing is trimmed
  std::array<std::unique_ptr<OneLog>, 2> logs;
};

class LocalLog::NoTrimming {
 public:
  explicit NoTrimming(Impl& impl) : impl_(impl) { add(1); }
  ~NoTrimming() { add(-1); }
  NoTrimming(const NoTrimming&) = delete;
  NoTrimming& operator=(const NoTrimming&) = delete;

 private:
  void add(int change) {
    const std::lock_guard lock(impl_.trimming);
    impl_.copying += change;
  }
  Impl& impl_;
};

Result<std::unique_ptr<LocalLog>> LocalLog::open(LocalLogOptions options, Disk& disk, const Clock& clock) {
  return open_logs(std::move(options), {LogName::captured, LogName::events}, disk, clock);
}

Result<std::unique_ptr<LocalLog>> LocalLog::open_logs(LocalLogOptions options, const std::vector<LogName>& names, Disk& disk,
                                                      const Clock& clock) {
  TRY_ASSIGN(DataFolder folder, open_data_folder(disk, options.folder, options.partitions));
  auto impl = std::make_unique<Impl>(disk, std::move(folder));
  impl->memory = options.memory;
  for (const LogName log : names) {
    const std::string path = fmt::format("{}/log/{}", options.folder, to_string(log));
    TRY(disk.create_directories(path));
    auto recovered = recover(disk, path, log, impl->folder.partitions, clock.now());
    if (!recovered)
      return fail(std::move(recovered).error().context(fmt::format("the log {} cannot be opened", to_string(log))));
    const LogWriter::Options writer{.log = log,
                                    .segment_bytes = options.segment_bytes,
                                    .group_max = options.group_max,
                                    .own_thread = options.own_threads};
    impl->logs[static_cast<std::size_t>(log)] = std::make_unique<OneLog>(
        writer, options.recent_max, path, disk, clock, impl->failure, impl->pending_bytes, *std::move(recovered));
  }
  return std::unique_ptr<LocalLog>(new LocalLog(std::move(impl)));
}

Result<std::unique_ptr<LocalLog>> LocalLog::open_stopped(const std::string& folder, Disk& disk, const Clock& clock) {
  TRY_ASSIGN(LocalLogOptions options, options_of_stopped(folder, disk));
  return open(std::move(options), disk, clock);
}

Result<std::unique_ptr<LocalLog>> LocalLog::open_events(const std::string& folder, Disk& disk, const Clock& clock) {
  TRY_ASSIGN(LocalLogOptions options, options_of_stopped(folder, disk));
  return open_logs(std::move(options), {LogName::events}, disk, clock);
}

LocalLog::LocalLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalLog::~LocalLog() = default;

int LocalLog::partitions() const { return impl_->folder.partitions; }

void LocalLog::append(LogName log, LogRecord record, AppendDone done) {
  impl_->of(log).writer.append(log_format::prepare(std::move(record), partitions()), std::move(done));
}

Result<std::unique_ptr<LogReader>> LocalLog::read(LogName log, const Offsets& start) {
  if (start.size() > static_cast<std::size_t>(partitions())) {
    return fail(ErrorKind::invalid, fmt::format("offsets of {} partitions in a log of {}", start.size(), partitions()));
  }
  Offsets wanted = start;
  wanted.resize(static_cast<std::size_t>(partitions()), 0);
  // Nothing of what is asked for lies before this place.
  const auto nothing_before = [wanted](std::uint64_t, const Offsets& here) {
    for (std::size_t p = 0; p < wanted.size(); ++p) {
      if (here[p] > wanted[p]) return false;
    }
    return true;
  };
  return impl_->reader(log, nothing_before, nothing_before);
}

Result<std::unique_ptr<LogReader>> LocalLog::read_from_sequence(LogName log, std::uint64_t sequence) {
  return read_share(log, sequence, {});
}

Result<std::unique_ptr<LogReader>> LocalLog::read_share(LogName log, std::uint64_t sequence, PartitionShare share) {
  if (sequence > next_sequence(log)) {
    return fail(ErrorKind::invalid, fmt::format("record {} is asked for, but the log {} ends before record {}", sequence,
                                                to_string(log), next_sequence(log)));
  }
  return impl_->reader(
      log, [sequence](std::uint64_t here, const Offsets&) { return here <= sequence; },
      [sequence](std::uint64_t here, const Offsets&) { return here < sequence; }, share);
}

Result<Offsets> LocalLog::offsets_at(LogName log, Timestamp time) {
  return seek_time(impl_->disk, impl_->of(log).table, time);
}

// Segment by segment, oldest first and never past one that could not be removed, or whose removal a power cut may undo: a gap
// would look like damage. The index goes first, because a segment without one is nothing unusual.
Result<Trimmed> LocalLog::trim(LogName log, const TrimLimits& limits) {
  OneLog& trimming = impl_->of(log);
  SegmentTable& table = trimming.table;
  const std::lock_guard one(impl_->trimming);
  if (impl_->copying > 0) return Trimmed{};
  if (trimming.removal_unsynced) {
    if (auto synced = impl_->disk.sync_directory(table.folder()); !synced)
      return fail(std::move(synced).error().context("retention"));
    trimming.removal_unsynced = false;
  }
  Trimmed trimmed;
  // Who makes the index of a segment that goes would leave one behind that nobody removes.
  const std::lock_guard no_index(table.index_mutex());
  while (auto segment = table.take_oldest(limits)) {
    if (auto removed = remove_segment(impl_->disk, table.folder(), segment->first_sequence); !removed) {
      // One that may not be looked at counts as there; the next call removes it, or finds it gone.
      const auto there = impl_->disk.exists(segment_path(table.folder(), segment->first_sequence));
      if (there.value_or(true)) table.put_back(*std::move(segment));
      else trimming.removal_unsynced = true;
      return fail(std::move(removed).error().context("retention"));
    }
    const Offsets begin = table.begin();
    trimmed.bytes += segment->bytes;
    for (std::size_t p = 0; p < begin.size(); ++p) trimmed.events += begin[p] - segment->start[p];
  }
  TrimLimits without_sequence = limits;
  without_sequence.before_sequence = ~std::uint64_t{0};
  trimmed.kept_by_sequence = table.would_take(without_sequence);
  return trimmed;
}

Result<LocalLog::Copies> LocalLog::copy_to(const std::string& data, const std::function<Result<void>()>& before) {
  const NoTrimming all_stays(*impl_);
  TRY(before());
  Copies made;
  TRY_ASSIGN(made.events, copy_log(impl_->disk, impl_->of(LogName::events).table, data + "/log/events"));
  TRY_ASSIGN(made.captured, copy_log(impl_->disk, impl_->of(LogName::captured).table, data + "/log/captured"));
  return made;
}

Offsets LocalLog::begin(LogName log) const { return impl_->of(log).table.begin(); }
Offsets LocalLog::end(LogName log) const { return impl_->of(log).table.end(); }
std::uint64_t LocalLog::next_sequence(LogName log) const { return impl_->of(log).table.next_sequence(); }
std::uint64_t LocalLog::bytes(LogName log) const { return impl_->of(log).table.bytes(); }
std::size_t LocalLog::pending_bytes() const { return impl_->pending_bytes; }
std::optional<Error> LocalLog::failure() const { return impl_->failure.get(); }

std::optional<Error> LocalLog::refusal() const {
  for (const auto& log : impl_->logs)
    if (auto refused = log ? log->writer.refusal() : std::nullopt) return refused;
  return std::nullopt;
}

void LocalLog::close() {
  for (const auto& log : impl_->logs)
    if (log) log->writer.close();
}

bool LocalLog::write_queued(LogName log) { return impl_->of(log).writer.write_queued(); }
std::size_t LocalLog::queued(LogName log) const { return impl_->of(log).writer.queued(); }

}  // namespace penstock::logs::local
