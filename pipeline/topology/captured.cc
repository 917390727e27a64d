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

Result<void> check_captured(const Log& log, const DerivedState& state, const std::string& data) {
  TRY_ASSIGN(const auto positions, positions_in(state, log.partitions()));
  return check_captured(log, std::ranges::max(positions), data);
}

Result<void> check_captured(const Log& log, std::uint64_t read, const std::string& data) {
  const std::uint64_t end = log.next_sequence(LogName::captured);
  if (read <= end) return {};
  return fail(ErrorKind::corrupt,
              fmt::format("the log `captured` in {}/log/captured ends before record {}, but ingest has read it up to record "
                          "{}: its newest files were damaged or taken away; restore them from a copy, or go on without: "
                          "`penstock doctor --repair {}` says what is lost",
                          data, end, read, data));
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
