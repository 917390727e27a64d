#pragma once
// Text into records, one per line, without copying any.

#include <cstdint>
#include <string_view>
#include <vector>

#include "pipeline/ports/source.h"

namespace penstock::sources::file {

// What is kept of a line over the limit.
inline constexpr std::size_t kRefusedBytesMax = 64 * 1024;

struct CutRules {
  std::uint64_t line_bytes_max = 1 << 20;  // without its line end
  bool last_counts = false;                // nothing will follow: a last line without line end is a line
};

struct Cut {
  std::size_t consumed = 0;     // up to here the text is settled
  bool inside_refused = false;  // `consumed` lies inside a line that was refused
  bool undecided = false;       // one line, neither ended nor over the limit: more text is needed
};

// Appends the records of `text`, which starts at `offset` in its input partition: at the start of a line, or inside a
// refused one whose rest is skipped. "\r\n" ends a line as "\n" does; lines that are empty or blank are skipped. A line over the limit is one
// refused record with its first 64 KiB, as soon as it is known to be over, so that no line has to fit into memory.
Cut cut_lines(std::string_view text, std::uint64_t offset, bool inside_refused, const CutRules& rules,
              std::vector<RawRecord>& records);

}  // namespace penstock::sources::file
