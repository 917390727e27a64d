#include "pipeline/base/printable.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace penstock {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool valid = true;
};

// Of a text that is not empty.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t bytes = lead >= 0xc2 && lead < 0xe0   ? 2
                            : lead >= 0xe0 && lead < 0xf0 ? 3
                            : lead >= 0xf0 && lead < 0xf5 ? 4
                                                          : 0;
  if (bytes == 0 || text.size() < bytes) return {lead, 1, false};
  std::uint32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {lead, 1, false};
    code = code << 6 | (next & 0x3fU);
  }
  const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  if (overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {lead, 1, false};
  return {code, bytes, true};
}

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
    const Character one = first_of(text);
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
