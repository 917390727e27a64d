#pragma once
// Finds records behind bytes that are none: what tells damage from a torn tail, and what a repair goes on with.

#include <cstdint>
#include <functional>
#include <optional>

#include "pipeline/log/record_format.h"
#include "pipeline/ports/disk.h"

namespace penstock::logs::local {

using AcceptHeader = std::function<bool(const log_format::RecordHeader& header, std::uint64_t position)>;

// Where the first header from `from` on starts that is whole and accepted; its payload may still be damaged. `size` is the
// file's. Reads in blocks of 1 MiB at most.
Result<std::optional<std::uint64_t>> find_header(const ReadFile& file, std::uint64_t from, std::uint64_t size,
                                                 const AcceptHeader& accept);

}  // namespace penstock::logs::local
