#pragma once
// The folder that `data:` names: held by one process, and of a format this program knows.
//
//   DATA/LOCK     held while the process lives; contains its id
//   DATA/FORMAT   two lines, "penstock-data 1" and "partitions 16": what cannot change once there is data
//   DATA/log/…    the segments

#include <memory>
#include <optional>
#include <string>

#include "pipeline/ports/disk.h"

namespace penstock::logs::local {

inline constexpr int kDataVersion = 1;
inline constexpr int kPartitionsDefault = 16;

struct DataFolder {
  std::unique_ptr<FileLock> lock;
  int partitions = kPartitionsDefault;
};

// Makes the folder when it is new. `partitions` is what the user asks for, if anything.
// conflict: another process has it, or a newer program wrote it. invalid: other partitions than asked for, or an older
// format. corrupt: FORMAT is missing or unreadable beside data.
Result<DataFolder> open_data_folder(Disk& disk, const std::string& folder, std::optional<int> partitions);

}  // namespace penstock::logs::local
