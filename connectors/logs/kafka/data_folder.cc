#include "connectors/logs/kafka/data_folder.h"

#include <fmt/format.h>

namespace penstock::logs::kafka {

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
  const std::string text = fmt::format("penstock-data 1\nkafka {} {}\n", identity, partitions);
  if (disk.exists(path)) {
    TRY_ASSIGN(const std::string found, disk.read_all(path));
    if (found == text) return {};
    return fail(
        ErrorKind::conflict,
        fmt::format("the data folder {} goes with another log, as {} says: its cursors and positions mean nothing in \"{} "
                    "{}\"; name another folder in `data:`",
                    folder, path, identity, partitions));
  }
  for (const char* made_by_us : {"log", "state", "delivery"}) {
    if (disk.exists(folder + "/" + made_by_us)) {
      return fail(ErrorKind::corrupt,
                  fmt::format("{} is missing, so it is not certain which log the data in {} goes with; name "
                              "another folder in `data:`",
                              path, folder));
    }
  }
  return disk.write_atomically(path, text);
}

}  // namespace penstock::logs::kafka
