#include "pipeline/topology/captured.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/logs/local/local_log.h"
#include "pipeline/ingest/captured_position.h"

namespace penstock::topology {
namespace {

Result<std::vector<std::uint64_t>> positions_in(const DerivedState& state, int partitions) {
  TRY_ASSIGN(const auto stored, state.positions_of(ingest::kCapturedSource));
  return ingest::captured_positions(stored, partitions);
}

}  // namespace

Result<void> check_captured(Log& log, const DerivedState& state, const std::string& data) {
  TRY_ASSIGN(const auto positions, positions_in(state, log.partitions()));
  return check_captured(log, positions, data);
}

Result<void> check_captured(Log& log, const std::vector<std::uint64_t>& positions, const std::string& data) {
  const auto [oldest, newest] = std::ranges::minmax(positions);
  const std::uint64_t end = log.next_sequence(LogName::captured);
  if (newest > end) {
    return fail(
        ErrorKind::corrupt,
        fmt::format("the log `captured` in {}/log/captured ends before record {}, but ingest has read it up to record "
                    "{}: its newest files were damaged or taken away; restore them from a copy, or go on without: "
                    "`penstock doctor --repair {}` says what is lost",
                    data, end, newest, data));
  }
  const auto there = log.read_from_sequence(LogName::captured, oldest);
  if (there || there.error().kind != ErrorKind::not_found) return there ? Result<void>() : fail(there.error());
  return fail(
      ErrorKind::corrupt,
      fmt::format("the log `captured` in {}/log/captured begins after record {}, from which ingest would have to go on: "
                  "what commits were lost of the log `events` had read it further, or its oldest files were taken "
                  "away; restore them from a copy, or go on without: `penstock doctor --repair {}` says what is lost",
                  data, oldest, data));
}

Result<logs::local::CapturedRepair> repair_captured(const std::string& data, Disk& disk, const Clock& clock) {
  // Its lock is held until the end.
  TRY_ASSIGN(const auto log, logs::local::LocalLog::open_events(data, disk, clock));
  std::vector<std::uint64_t> positions;
  {
    TRY_ASSIGN(const auto state, DerivedState::open({data + "/state", data + "/checkpoints"}, *log, clock));
    TRY_ASSIGN(positions, positions_in(*state, log->partitions()));
  }
  return logs::local::repair_captured(disk, data + "/log/captured", positions, clock.now());
}

}  // namespace penstock::topology
