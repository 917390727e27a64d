#pragma once
// LZ4 for what the log stores. The plain size travels beside the bytes, so the caller bounds it before it allocates.

#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace penstock {

// Appends the compressed form to `out` and returns its size.
std::size_t lz4_compress(std::string_view plain, std::string& out);

// Exactly `plain_size` bytes, or an error of kind corrupt.
Result<std::string> lz4_decompress(std::string_view packed, std::size_t plain_size);

}  // namespace penstock
