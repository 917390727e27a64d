#pragma once
// The folder that `data:` names, when the logs are on Kafka: derived state and what delivery knows. Both go by offsets of one topic of
// one cluster, so the folder belongs to it.
//
//   DATA/LOCK     held while the process lives
//   DATA/FORMAT   two lines, "penstock-data 1" and "kafka CLUSTER TOPIC PARTITIONS"
//   DATA/INSTANCE in a group: the process's name there, a UUID. A folder that is copied makes another one the same process

#include <memory>
#include <string>

#include "pipeline/ports/disk.h"

namespace penstock::logs::kafka {

// Makes the folder when it is new. conflict: another process has it.
Result<std::unique_ptr<FileLock>> lock_data_folder(Disk& disk, const std::string& folder);

// Whether a locked folder goes with that log; a new one does from now on, and one of a log that had fewer partitions. conflict: it goes with another, or with one on a disk.
// corrupt: there is data without a FORMAT.
Result<void> bind_data_folder(Disk& disk, const std::string& folder, const std::string& identity, int partitions);

// The name by which the folder's process is known in a group; made up when there is none.
Result<std::string> instance_of(Disk& disk, const std::string& folder);

}  // namespace penstock::logs::kafka
