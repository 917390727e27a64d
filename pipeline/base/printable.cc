#include "pipeline/base/printable.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

#include "pipeline/base/utf8.h"

namespace penstock {
namespace {

constexpr bool within(std::uint32_t code, std::uint32_t first, std::uint32_t last) { return code >= first && code <= last; }

// Controls, line and paragraph separators, and what changes the direction of what follows.
bool is_harmless(std::uint32_t code) {
  return !within(code, 0, 0x1f) && !within(code, 0x7f, 0x9f) && code != 0x061c && !within(code, 0x200e, 0x200f) &&
         !within(code, 0x2028, 0x202e) && !within(code, 0x2066, 0x2069);
}

std::string escaped(std::uint32_t code) {
  switch (code) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
  }
}

std::string shown(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character one = utf8_character(text);
    if (one.valid && (is_harmless(one.code) || kept.find(text[0]) != std::string_view::npos))
      out += text.substr(0, one.bytes);
    else out += escaped(one.code);
    text.remove_prefix(one.bytes);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return shown(text, {}); }
std::string printable_lines(std::string_view text) { return shown(text, "\n\t"); }

}  // namespace penstock
