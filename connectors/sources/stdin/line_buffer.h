#pragma once
// Bytes as they come in, lines as they go out. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/ports/source.h"

namespace penstock::sources::stdin {

// What is kept of a line over the limit.
inline constexpr std::size_t kLongLineBytes = 64 * 1024;

class LineBuffer {
 public:
  explicit LineBuffer(std::uint64_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  void add(std::string_view bytes);
  // The input is over: a last line without line end is a line.
  void end();

  std::size_t bytes() const { return text_.size() - start_; }
  // Whole lines from the front, up to about `bytes_max` but at least one; empty when there is none. Valid until the next add.
  std::string_view lines(std::size_t bytes_max) const;
  void drop(std::size_t bytes);

 private:
  void cut_long_line();

  const std::uint64_t line_bytes_max_;
  std::string text_;  // what was dropped, whole lines, the beginning of one
  std::size_t start_ = 0;  // of the whole lines
  std::size_t lines_end_ = 0;  // after them
  bool inside_long_ = false;  // bytes up to the next line end belong to a line that was cut
};

// A copy of `lines` as records, without line ends, and without lines that are empty or blank; of a line over the limit its first 64 KiB.
PushedRecords records_of(std::string_view lines, std::uint64_t line_bytes_max);

}  // namespace penstock::sources::stdin
