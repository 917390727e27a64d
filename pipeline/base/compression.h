#pragma once
// How the log makes what it stores smaller. The plain size travels beside the bytes, so the caller bounds it before it allocates.

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace penstock {

// `none` is for what is opened again before it is stored anywhere.
enum class Compression : std::uint8_t { lz4, zstd, none };

// Appends the compressed form to `out` and returns its size. Zstandard is used at level 1.
std::size_t compress(Compression how, std::string_view plain, std::string& out);

// Exactly `plain_size` bytes, or an error of kind corrupt.
Result<std::string> decompress(Compression how, std::string_view packed, std::size_t plain_size);

}  // namespace penstock
