#include "pipeline/state/log_end.h"

#include <fmt/format.h>

#include <filesystem>

namespace penstock::state {

Result<void> check_log_end(Log& log, std::uint64_t applied, const std::string& state_folder) {
  const std::uint64_t end = log.next_sequence(LogName::events);
  if (applied <= end) return {};
  // Of a log that is another one no checkpoint is, and one that is whole needs none.
  const auto beginning = log.read_from_sequence(LogName::events, 0);
  if (!beginning && beginning.error().kind != ErrorKind::not_found) return fail(beginning.error());
  const std::string data = std::filesystem::path(state_folder).parent_path().string();
  const std::uint64_t more = applied - end;
  const std::string missing = more == 1 ? "1 committed record is" : fmt::format("{} committed records are", more);
  return fail(
      ErrorKind::corrupt,
      fmt::format("the state in {} has applied {} records, but the log `events` ends before record {}: {} "
                  "missing, its newest files were damaged or taken away; restore them from a copy, or go "
                  "on without: `penstock rebuild-state {}{}` makes the state anew from what is left, and what sources "
                  "still have of the missing is ingested again, so receivers get events again",
                  state_folder, applied, end, missing, data, beginning ? " --from-start" : ""));
}

}  // namespace penstock::state
