#pragma once
// Where the whole part of a file ends that an earlier run, killed in the middle of a write, may have left with a torn end.

#include <cstdint>
#include <string>

#include "connectors/destinations/file/packer.h"
#include "pipeline/base/result.h"

namespace penstock::destinations::file {

// The size to cut the file to: after its last line end, or after its last whole frame or member. Lines are found from the
// end; frames are walked from the start, a read of a few bytes for each block of up to 128 KiB (zstd) or each batch (gzip), and the last is unpacked.
// An error of kind invalid when the file was not written with these settings, or when so much would have to be cut off that
// it cannot be one torn write: then nothing may be cut.
Result<std::uint64_t> whole_size(int fd, const std::string& path, std::uint64_t size, Compression compression);

}  // namespace penstock::destinations::file
