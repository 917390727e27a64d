#include "connectors/logs/kafka/data_folder.h"

#include <fmt/format.h>

#include <random>

#include "pipeline/base/uuid.h"

namespace penstock::logs::kafka {
namespace {

std::string format_of(const std::string& identity, int partitions) {
  return fmt::format("penstock-data 1\nkafka {} {}\n", identity, partitions);
}

}  // namespace

Result<std::unique_ptr<FileLock>> lock_data_folder(Disk& disk, const std::string& folder) {
  TRY(disk.create_directories(folder));
  auto lock = disk.lock(folder + "/LOCK");
  if (!lock && lock.error().kind == ErrorKind::conflict) {
    return fail(
        std::move(lock).error().context(fmt::format("the data folder {} is in use; stop the other process first", folder)));
  }
  return lock;
}

Result<void> bind_data_folder(Disk& disk, const std::string& folder, const std::string& identity, int partitions) {
  const std::string path = folder + "/FORMAT";
  const std::string text = format_of(identity, partitions);
  TRY_ASSIGN(const bool bound, disk.exists(path));
  if (bound) {
    TRY_ASSIGN(const std::string found, disk.read_all(path));
    if (found == text) return disk.sync_directory(folder);  // whoever made it may have been stopped before
    for (int fewer = 1; fewer < partitions; ++fewer)  // some were added
      if (found == format_of(identity, fewer)) return disk.write_atomically(path, text);
    return fail(
        ErrorKind::conflict,
        fmt::format("the data folder {} goes with another log, as {} says: its cursors and positions mean nothing in \"{} "
                    "{}\"; name another folder in `data:`",
                    folder, path, identity, partitions));
  }
  for (const char* made_by_us : {"log", "state", "delivery"}) {
    TRY_ASSIGN(const bool used, disk.exists(folder + "/" + made_by_us));
    if (used) {
      return fail(ErrorKind::corrupt,
                  fmt::format("{} is missing, so it is not certain which log the data in {} goes with; name "
                              "another folder in `data:`",
                              path, folder));
    }
  }
  return disk.write_atomically(path, text);
}

Result<std::string> instance_of(Disk& disk, const std::string& folder) {
  const std::string path = folder + "/INSTANCE";
  TRY_ASSIGN(const bool named, disk.exists(path));
  if (named) {
    TRY_ASSIGN(const std::string found, disk.read_all(path));
    if (const auto instance = Uuid::parse(found)) return instance->to_string();
    return fail(ErrorKind::corrupt,
                fmt::format("{} is damaged; stop every process with this folder, and remove that file", path));
  }
  std::random_device random;
  Uuid made;
  for (auto& byte : made.bytes) byte = static_cast<std::uint8_t>(random());
  TRY(disk.write_atomically(path, made.to_string()));
  return made.to_string();
}

}  // namespace penstock::logs::kafka
