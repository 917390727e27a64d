#include "pipeline/config/yaml_scalars.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace penstock::config {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Takes the blanks that `raw` begins with. True when there was a line break among them, and then they are folded into `out`.
bool fold_blanks(std::string_view& raw, std::string& out) {
  const std::string_view space = raw.substr(0, std::min(raw.find_first_not_of(kBlanks), raw.size()));
  raw.remove_prefix(space.size());
  std::size_t breaks = 0;
  for (std::size_t i = 0; i < space.size(); ++i)
    breaks += space[i] == '\n' || (space[i] == '\r' && !space.substr(i + 1).starts_with('\n')) ? 1 : 0;
  if (breaks == 0) out.append(space);
  else if (breaks == 1) out.push_back(' ');
  else out.append(breaks - 1, '\n');
  return breaks > 0;
}

void take_word(std::string_view& raw, std::string_view stops, std::string& out) {
  const std::size_t size = std::min(raw.find_first_of(stops), raw.size());
  out.append(raw.substr(0, size));
  raw.remove_prefix(size);
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto byte = [&](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xC0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      byte(0xE0 | (code >> 12));
    } else {
      byte(0xF0 | (code >> 18));
      byte(0x80 | ((code >> 12) & 0x3F));
    }
    byte(0x80 | ((code >> 6) & 0x3F));
  }
  byte(0x80 | (code & 0x3F));
}

std::uint32_t hex_value(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char c : digits) {
    const int low = c | 0x20;
    value = value << 4 | static_cast<std::uint32_t>(low >= 'a' ? low - 'a' + 10 : c - '0') % 16;
  }
  return value;
}

// `raw` stands after a backslash.
void take_escape(std::string_view& raw, std::string& out) {
  static constexpr std::pair<char, std::uint32_t> kNamed[] = {
      {'0', 0},  {'a', 7},   {'b', 8},   {'t', 9},   {'\t', 9},    {'n', 10},   {'v', 11},   {'f', 12},     {'r', 13},
      {'e', 27}, {' ', ' '}, {'"', '"'}, {'/', '/'}, {'\\', '\\'}, {'N', 0x85}, {'_', 0xA0}, {'L', 0x2028}, {'P', 0x2029}};
  if (raw.empty()) return;
  const char name = raw.front();
  raw.remove_prefix(1);
  if (const std::size_t digits = name == 'x' ? 2 : name == 'u' ? 4 : name == 'U' ? 8 : 0; digits > 0) {
    append_utf8(std::min<std::uint32_t>(hex_value(raw.substr(0, digits)), 0x1FFFFF), out);
    raw.remove_prefix(std::min(digits, raw.size()));
    return;
  }
  const auto known = std::ranges::find(kNamed, name, &std::pair<char, std::uint32_t>::first);
  if (known != std::end(kNamed)) append_utf8(known->second, out);
}

// An escaped line break vanishes, with the blanks that begin the next line; empty lines after it stay breaks.
void take_escaped_break(std::string_view& raw, std::string& out) {
  std::size_t breaks = 0;
  while (!raw.empty() && kBlanks.contains(raw.front())) {
    breaks += raw.front() == '\n' || (raw.front() == '\r' && !raw.substr(1).starts_with('\n')) ? 1 : 0;
    raw.remove_prefix(1);
  }
  out.append(breaks - 1, '\n');
}

// The next line of `rest`, without its end; whether it had one.
std::string_view take_line(std::string_view& rest, bool& ended) {
  const std::size_t size = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, size);
  ended = size < rest.size();
  rest.remove_prefix(size + (ended ? 1 : 0));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::size_t indentation(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

// Spaces before the first line that holds more than spaces; when there is none, all spaces of the longest line.
std::size_t block_indentation(std::string_view rest) {
  std::size_t longest = 0;
  bool ended = false;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest, ended);
    if (indentation(line) < line.size()) return indentation(line);
    longest = std::max(longest, line.size());
  }
  return longest;
}

}  // namespace

std::string plain_text(std::string_view raw) {
  std::string out;
  while (!raw.empty()) {
    fold_blanks(raw, out);
    take_word(raw, kBlanks, out);
  }
  return out;
}

std::string single_quoted_text(std::string_view raw) {
  std::string out;
  while (!raw.empty()) {
    fold_blanks(raw, out);
    take_word(raw, "' \t\r\n", out);
    if (!raw.starts_with('\'')) continue;
    out.push_back('\'');
    raw.remove_prefix(std::min<std::size_t>(2, raw.size()));
  }
  return out;
}

std::string double_quoted_text(std::string_view raw) {
  std::string out;
  while (!raw.empty()) {
    fold_blanks(raw, out);
    take_word(raw, "\\ \t\r\n", out);
    if (!raw.starts_with('\\')) continue;
    raw.remove_prefix(1);
    if (raw.starts_with('\n') || raw.starts_with('\r')) take_escaped_break(raw, out);
    else take_escape(raw, out);
  }
  return out;
}

std::string block_text(char style, std::string_view header, std::string_view rest) {
  const std::size_t indent = block_indentation(rest);
  std::string out;
  std::size_t breaks = 0;  // empty lines since the last line with text
  bool any = false;  // a line with text came before
  bool last_plain = false;  // that line can be folded: it did not begin with a blank
  bool ended = false;
  bool last_ended = false;
  while (!rest.empty()) {
    std::string_view line = take_line(rest, ended);
    if (line.size() <= indent && indentation(line) == line.size()) {
      ++breaks;
      continue;
    }
    if (indentation(line) < indent) break;
    line.remove_prefix(indent);
    const bool plain = style == '>' && line[0] != ' ' && line[0] != '\t';
    if (any && last_plain && plain && breaks == 0) out.push_back(' ');
    else out.append(breaks + (any && !(last_plain && plain) ? 1 : 0), '\n');
    out.append(line);
    any = true;
    last_plain = plain;
    last_ended = ended;
    breaks = 0;
  }
  const std::string_view marks = block_marks(header, style);
  if (!marks.contains('-') && last_ended) out.push_back('\n');
  if (marks.contains('+')) out.append(breaks, '\n');
  return out;
}

std::string_view block_marks(std::string_view header, char style) {
  if (header.ends_with('\r')) header.remove_suffix(1);
  for (std::size_t at = header.find(style); at != std::string_view::npos; at = header.find(style, at + 1)) {
    const std::string_view after = header.substr(at + 1);
    const std::string_view marks = after.substr(0, std::min(after.find_first_not_of("+-0123456789"), after.size()));
    const std::string_view tail = after.substr(marks.size());
    const std::size_t blanks = std::min(tail.find_first_not_of(" \t"), tail.size());
    if (blanks == tail.size() || (blanks > 0 && tail[blanks] == '#')) return marks;
  }
  return {};
}

}  // namespace penstock::config
