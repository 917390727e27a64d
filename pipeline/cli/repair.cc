// penstock doctor --repair: goes on without what is damaged of a stopped pipeline's log `captured`.
#include <fmt/format.h>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/topology/captured.h"

namespace penstock::cli {
namespace {

void print_repair(const logs::local::CapturedRepair& repair) {
  for (const auto& damage : repair.damage) fmt::print("{}\n", damage);
  for (const auto& file : repair.set_aside) fmt::print("put aside: {}\n", file);
  if (repair.was_interrupted) {
    fmt::print("finished an earlier repair, which was interrupted when all that could be saved was\n");
    return;
  }
  fmt::print("kept for ingest: {} with {}\n", counted(repair.kept_records, "accepted request"),
             counted(repair.kept_events, "event"));
  if (repair.lost_records == 0) {
    fmt::print("lost: nothing, what is missing had gone through ingest\n");
  } else {
    fmt::print("lost: {}{}, accepted and not yet through ingest\n", counted(repair.lost_records, "accepted request"),
               repair.lost_events == 0 ? "" : fmt::format(" with {} or more", counted(repair.lost_events, "event")));
  }
}

}  // namespace

int repair_logs(const std::string& data) {
  const auto repair = topology::repair_captured(data, posix_disk(), system_clock());
  if (!repair) return refuse(repair.error(), kCannot);
  if (repair->was_whole) {
    fmt::print("the log `captured` is whole, and has all that ingest needs: nothing was changed\n");
    return kOk;
  }
  print_repair(*repair);
  fmt::print("`penstock run` goes on\n");
  return kOk;
}

}  // namespace penstock::cli
