#pragma once
// Compressed bodies, both ways. What comes from outside is bounded before it is believed: a bomb costs its limit, no more.
// Pure functions; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/bytes.h"
#include "pipeline/base/result.h"

namespace penstock::http {

enum class Encoding : std::uint8_t { identity, gzip, deflate, zstd };

// The value of a Content-Encoding header; empty is identity. nullopt: one we do not know, or several of them.
std::optional<Encoding> encoding_from_name(std::string_view header);
std::string_view to_string(Encoding encoding);

// gzip and zstd by their first bytes, anything else identity: some clients compress and do not say so.
Encoding encoding_from_magic(std::string_view body);

// The plain bytes. limit: there are more than `plain_max`; invalid: not that encoding, cut off, or followed by something else.
Result<std::string> inflate(std::string_view body, Encoding encoding, Bytes plain_max);

std::string compress(std::string_view plain, Encoding encoding);

}  // namespace penstock::http
