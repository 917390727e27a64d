#include "pipeline/topology/backup.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "pipeline/base/log.h"
#include "pipeline/ports/folders.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::topology {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "/FORMAT";

std::string partial(const std::string& to) { return to + ".partial"; }

// A name that ends in a slash would put the draft inside the folder.
std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Result<void> check_free(Disk& disk, const std::string& data, const std::string& to) {
  if (!to.starts_with('/')) return fail(ErrorKind::invalid, fmt::format("{}: a backup needs an absolute path", to));
  TRY_ASSIGN(const bool inside, is_inside(to, data));
  if (inside) {
    return fail(ErrorKind::invalid,
                fmt::format("{} is inside the data folder {}, and would be lost with it; name a folder outside", to, data));
  }
  const std::string draft = partial(to);
  TRY_ASSIGN(const bool drafted, disk.exists(draft));
  if (drafted) {
    return fail(ErrorKind::conflict,
                fmt::format("{} is there: another backup is being made, or one was killed; remove it in that case", draft));
  }
  std::error_code error;
  if (const auto parent = fs::path(to).parent_path(); !fs::is_directory(parent, error)) {
    return fail(ErrorKind::not_found,
                fmt::format("{} is no folder that is there, and a backup makes only its own folder: make that first",
                            parent.string()));
  }
  // All would be copied first, and then not be moved there.
  if (fs::is_symlink(to, error))
    return fail(ErrorKind::invalid, fmt::format("{} is a link: name the folder that it should lead to", to));
  TRY_ASSIGN(const bool there, disk.exists(to));
  if (!there) return {};
  const auto names = disk.list(to);
  if (names && names->empty()) return {};
  return fail(ErrorKind::conflict,
              fmt::format("{} is not an empty folder; name one that is, or one that does not exist", to));
}

Result<void> copy_databases(const BackupParts& parts, const std::string& draft) {
  TRY(parts.state.copy_to(draft + "/state"));
  TRY(parts.store.copy_to(draft + "/delivery"));
  const std::string catalog = draft + "/catalog.db";
  TRY(parts.catalog.copy_to(catalog));
  TRY_ASSIGN(const auto file, parts.disk.open_append(catalog));
  return file->sync();
}

Result<BackupReport> copy_all(const BackupParts& parts, const std::string& data, const std::string& draft) {
  TRY(parts.disk.create_directories(draft));
  TRY_ASSIGN(const auto logs, parts.log.copy_to(draft, [&] { return copy_databases(parts, draft); }));
  TRY_ASSIGN(const std::string format, parts.disk.read_all(data + std::string(kFormat)));
  TRY(parts.disk.write_atomically(draft + std::string(kFormat), format));
  return BackupReport{logs.events.events, logs.captured.events, logs.events.bytes + logs.captured.bytes};
}

}  // namespace

Result<BackupReport> back_up(const BackupParts& parts, const std::string& data, const std::string& given) {
  const std::string to = without_slashes(given);
  TRY(check_free(parts.disk, data, to));
  const std::string draft = partial(to);
  auto report = copy_all(parts, data, draft);
  if (report) {
    if (auto moved = move_folder(draft, to); !moved) report = fail(std::move(moved).error());
  }
  if (report) {
    log_info("backup", "{} holds a copy of {}: {} events", to, data, report->events);
    return report;
  }
  if (const auto removed = remove_folder(draft); !removed) log_error("backup", "{}", removed.error().message);
  return fail(std::move(report).error().context("no backup was made"));
}

Result<BackupReport> back_up_stopped(const std::string& data, const std::string& to) {
  Disk& disk = posix_disk();
  const Clock& clock = system_clock();
  TRY_ASSIGN(const auto log, logs::local::LocalLog::open_stopped(data, disk, clock));
  TRY_ASSIGN(const auto state, DerivedState::open({data + "/state", data + "/checkpoints"}, *log, clock));
  TRY_ASSIGN(const auto store, delivery::DeliveryStore::open(data + "/delivery", clock));
  TRY_ASSIGN(const auto catalog, catalog::Catalog::open(data + "/catalog.db", clock));
  return back_up({*log, *state, *store, *catalog, disk}, data, to);
}

}  // namespace penstock::topology
