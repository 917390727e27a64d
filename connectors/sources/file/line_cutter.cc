#include "connectors/sources/file/line_cutter.h"

#include <cstring>

namespace penstock::sources::file {
namespace {

constexpr std::string_view kTooLong = "the line is longer than line_max; its first 64 KiB are kept";

std::size_t line_end(std::string_view text, std::size_t from) {
  if (from == text.size()) return std::string_view::npos;
  const void* found = std::memchr(text.data() + from, '\n', text.size() - from);
  return found == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

void add_line(std::string_view line, std::uint64_t offset, std::uint64_t bytes_max, std::vector<RawRecord>& records) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > bytes_max) {
    records.push_back(RawRecord{line.substr(0, kRefusedBytesMax), offset, kTooLong});
  } else if (!is_blank(line)) {
    records.push_back(RawRecord{line, offset, {}});
  }
}

}  // namespace

Cut cut_lines(std::string_view text, std::uint64_t offset, bool inside_refused, const CutRules& rules,
              std::vector<RawRecord>& records) {
  std::size_t at = 0;
  if (inside_refused) {
    const auto end = line_end(text, 0);
    if (end == std::string_view::npos) return Cut{text.size(), true, false};
    at = end + 1;
  }
  for (auto end = line_end(text, at); end != std::string_view::npos; end = line_end(text, at)) {
    add_line(text.substr(at, end - at), offset + at, rules.line_bytes_max, records);
    at = end + 1;
  }
  const auto rest = text.substr(at);
  if (rest.empty()) return Cut{at, false, false};
  // One more byte than the limit may still be the "\r" of a line that fits.
  const bool over = rest.size() > rules.line_bytes_max + 1;
  if (!rules.last_counts && !over) return Cut{at, false, at == 0};
  add_line(rest, offset + at, rules.line_bytes_max, records);
  return Cut{text.size(), over, false};
}

}  // namespace penstock::sources::file
