#pragma once
// A record of `captured` as one message: version (1), how many partitions there are and how many events each of them had before (varints),
// then the record as pipeline/log/record_format.h has it. So one message is written or not, whatever partitions it is of, and its place
// in the topic's one partition is its sequence. Pure; any thread.

#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/memory_budget.h"
#include "pipeline/log/record_format.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

// `next` moves past the record's events.
std::string encode_captured(log_format::PreparedRecord& record, Timestamp now, Offsets& next);

Result<std::shared_ptr<const StoredRecord>> decode_captured(std::string_view message, std::uint64_t sequence,
                                                            PartitionShare share, MemoryBudget* memory);

}  // namespace penstock::logs::kafka
