#pragma once
// How far ingest has read the log `captured`: of each partition the first record that is not committed, kept in the commits like
// any source's positions.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/ports/log.h"

namespace penstock::ingest {

inline constexpr const char* kCapturedSource = "$captured";

std::string encode_captured_position(std::uint64_t sequence);

// By partition; those of which nothing is stored begin at 0. corrupt: a position is none.
Result<std::vector<std::uint64_t>> captured_positions(const std::vector<SourcePosition>& stored, int partitions);

}  // namespace penstock::ingest
