// penstock backup: a copy of a data folder, taken by the process that runs it, or here when none does.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/control_client.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/ports/folders.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/topology/backup.h"

namespace penstock::cli {
namespace {

namespace json = boost::json;
using topology::BackupReport;

// Copying to another machine's disk takes what it takes.
constexpr Duration kPatience{24LL * 3'600'000};

Result<bool> is_held(const std::string& data) {
  const std::string path = data + "/LOCK";
  TRY_ASSIGN(const bool there, posix_disk().exists(path));
  if (!there) return false;
  const auto lock = posix_disk().lock(path);
  return !lock && lock.error().kind == ErrorKind::conflict;
}

Result<BackupReport> ask_for_backup(const ControlClient& client, const std::string& folder) {
  TRY_ASSIGN(const std::string answer,
             client.post("/api/backup", json::serialize(json::object{{"folder", folder}}), kPatience));
  const json::value report = json::parse(answer);
  const auto number = [&](std::string_view key) { return report.at(key).to_number<std::uint64_t>(); };
  return BackupReport{number("events"), number("captured"), number("log_bytes")};
}

// Whoever holds the folder makes the backup; nobody else may read it.
Result<BackupReport> back_up_wherever(const Target& target, const std::string& folder,
                                      const topology::PlanContext& context) {
  if (target.url.empty()) {
    TRY_ASSIGN(const std::string data, data_folder(target, context));
    TRY_ASSIGN(const bool held, is_held(data));
    if (!held) return topology::back_up_stopped(data, folder);
  }
  TRY_ASSIGN(const auto client, ControlClient::find(target, context));
  return ask_for_backup(client, folder);
}

}  // namespace

int back_up(const Target& target, const std::string& folder, const topology::PlanContext& context) {
  if (folder.empty()) return refuse({ErrorKind::invalid, "the name of the folder for the backup is empty"}, kUsage);
  const auto from_root = absolute_path(folder);
  if (!from_root) return refuse(from_root.error(), kCannot);
  const std::string absolute = std::filesystem::path(*from_root).lexically_normal().string();
  const auto report = back_up_wherever(target, absolute, context);
  if (!report) return refuse(report.error(), kCannot);
  fmt::print(
      "{} holds {} of `events` and {} of `captured`, {} bytes of logs; `data: {}` in a configuration goes on from there\n",
      absolute, counted(report->events, "event"), report->captured, report->log_bytes, absolute);
  return kOk;
}

}  // namespace penstock::cli
