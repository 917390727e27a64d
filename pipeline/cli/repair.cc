// penstock doctor --repair: goes on without what is damaged of a stopped pipeline's log `captured`.
#include <fmt/format.h>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/topology/captured.h"

namespace penstock::cli {
namespace {

// What is behind the newest record that is whole, or was read.
std::string describe_lost_end(const logs::local::CapturedRepair& repair) {
  const std::string where = repair.end == 0 ? "from its first record on" : fmt::format("after record {}", repair.end - 1);
  const std::string cause = repair.end_bytes == 0 ? "the newest files are gone or cut"
                                                  : fmt::format("{} of {} are unreadable", counted(repair.end_bytes, "byte"),
                                                                counted(repair.end_files, "file"));
  return fmt::format("lost: what stood {}: {}; nobody can tell how many accepted requests that was", where, cause);
}

void print_lost(const logs::local::CapturedRepair& repair) {
  if (repair.lost_records > 0) {
    fmt::print("lost: {}{}, accepted and not yet through ingest\n", counted(repair.lost_records, "accepted request"),
               repair.lost_events == 0 ? "" : fmt::format(" with {} or more", counted(repair.lost_events, "event")));
  }
  if (!repair.end_is_known) fmt::print("{}\n", describe_lost_end(repair));
  else if (repair.lost_records == 0) fmt::print("lost: nothing, what is missing had gone through ingest\n");
}

void print_repair(const logs::local::CapturedRepair& repair) {
  for (const auto& damage : repair.damage) fmt::print("{}\n", damage);
  for (const auto& file : repair.set_aside) fmt::print("put aside: {}\n", file);
  if (repair.was_interrupted) {
    fmt::print("finished an earlier repair, which was interrupted when all that could be saved was\n");
    return;
  }
  fmt::print("kept for ingest: {} with {}\n", counted(repair.kept_records, "accepted request"),
             counted(repair.kept_events, "event"));
  print_lost(repair);
}

void print_whole(const logs::local::CapturedRepair& repair) {
  if (repair.end_bytes == 0) {
    fmt::print("the log `captured` is whole, and has all that ingest needs: nothing was changed\n");
    return;
  }
  fmt::print(
      "the log `captured` is whole but for {} at its end, and has all that ingest needs; they are cut off, as the rest "
      "of a write that was interrupted: nothing accepted was in that, but if they were damaged later, nobody can tell\n",
      counted(repair.end_bytes, "byte"));
}

}  // namespace

int repair_logs(const std::string& data) {
  const auto repair = topology::repair_captured(data, posix_disk(), system_clock());
  if (!repair) return refuse(repair.error(), kCannot);
  if (repair->was_whole) {
    print_whole(*repair);
    return kOk;
  }
  print_repair(*repair);
  fmt::print("`penstock run` goes on\n");
  return kOk;
}

}  // namespace penstock::cli
