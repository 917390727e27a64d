// penstock rebuild-state: makes a stopped pipeline's derived state anew.
#include <fmt/format.h>

#include "connectors/logs/local/local_log.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/event/timestamps.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/state/rebuild.h"

namespace penstock::cli {

int rebuild_state(const std::string& data, bool from_start) {
  const auto log = logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock());
  if (!log) return refuse(log.error(), kCannot);
  const auto rebuilt =
      state::rebuild({data + "/state", data + "/checkpoints"},
                     from_start ? state::RebuildFrom::start : state::RebuildFrom::newest_checkpoint, **log, system_clock());
  if (!rebuilt) return refuse(rebuilt.error(), kCannot);
  fmt::print("made the state anew from {}, and {} of the log `events`\n",
             rebuilt->checkpoint.empty() ? "nothing" : "the checkpoint " + rebuilt->checkpoint,
             counted(rebuilt->commits, "commit"));
  if (rebuilt->complete_from) {
    fmt::print("it is complete from {} on; what was only in older records is lost\n",
               format_timestamp(*rebuilt->complete_from));
  } else {
    fmt::print("it is complete\n");
  }
  return kOk;
}

}  // namespace penstock::cli
