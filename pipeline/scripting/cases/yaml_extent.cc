#include "pipeline/scripting/cases/yaml_extent.h"

#include <algorithm>

namespace penstock::scripting {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::size_t line_end(std::string_view text, std::size_t at) { return std::min(text.find('\n', at), text.size()); }

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kBlank, at), text.size());
}

std::size_t skip_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at++];
  for (; at < text.size(); ++at) {
    const bool escape = quote == '"' && text[at] == '\\';
    const bool doubled = quote == '\'' && text.substr(at, 2) == "''";
    if (escape || doubled) ++at;
    else if (text[at] == quote) return at + 1;
  }
  return text.size();
}

bool starts_comment(std::string_view text, std::size_t at) {
  return text[at] == '#' && (at == 0 || kBlank.contains(text[at - 1]) || text[at - 1] == '\n');
}

// The end of a value inside braces: at the comma or bracket after it. At depth 0 outside of braces: after its closing one.
std::size_t flow_end(std::string_view text, std::size_t at, bool in_braces) {
  int depth = 0;
  bool token_starts = true;
  while (at < text.size()) {
    const char c = text[at];
    if ((c == '"' || c == '\'') && token_starts) {
      at = skip_quoted(text, at);
      token_starts = false;
      continue;
    }
    if (starts_comment(text, at)) {
      at = line_end(text, at);
      continue;
    }
    if (depth == 0 && in_braces && (c == ',' || c == '}' || c == ']')) return at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0 && !in_braces) return at + 1;
    token_starts = std::string_view("{[,:\n").contains(c) || (token_starts && kBlank.contains(c));
    ++at;
  }
  return at;
}

std::size_t trimmed(std::string_view text, std::size_t from, std::size_t to) {
  while (to > from && (kBlank.contains(text[to - 1]) || text[to - 1] == '\n')) --to;
  return to;
}

// The end of the last line below `at` that belongs to a value of a key indented by `indent`. `comments` belong to it only
// in literals.
std::size_t lines_end(std::string_view text, std::size_t at, std::size_t indent, bool literal) {
  std::size_t end = line_end(text, at);
  for (std::size_t line = end + 1; line < text.size();) {
    const std::size_t first = std::min(text.find_first_not_of(' ', line), text.size());
    const std::size_t stop = line_end(text, line);
    const bool empty = skip_blanks(text, line) >= stop;
    const bool item = !literal && first - line == indent && text[first] == '-' && first + 1 < text.size() &&
                      (kBlank.contains(text[first + 1]) || text[first + 1] == '\n');
    if (!empty && first - line <= indent && !item && (literal || text[first] != '#')) break;
    if (!empty && (literal || text[first] != '#')) end = stop;
    line = stop + 1;
  }
  return end;
}

// How far the line of `at` is indented.
std::size_t indent_at(std::string_view text, std::size_t at) {
  const std::size_t start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
  return std::min(text.find_first_not_of(' ', start), text.size()) - start;
}

YamlExtent in_braces_extent(std::string_view text, std::size_t after_colon) {
  std::size_t at = after_colon;
  while (at < text.size() && (text[at] == '\n' || kBlank.contains(text[at]))) ++at;
  const std::size_t to = trimmed(text, at, flow_end(text, at, true));
  if (to == at) return {YamlExtent::Style::nothing, after_colon, after_colon, 0};
  return {YamlExtent::Style::flow, at, to, 0};
}

// A value that begins at `at`, in the line of its key.
YamlExtent same_line_extent(std::string_view text, std::size_t at, std::size_t indent) {
  const char c = text[at];
  if (c == '|' || c == '>') {
    const std::size_t to = lines_end(text, at, indent, true);
    const std::size_t first = std::min(text.find_first_not_of(" \n", line_end(text, at)), text.size());
    return {YamlExtent::Style::literal, at, to, first < to ? indent_at(text, first) : indent + 2};
  }
  if (c == '{' || c == '[') return {YamlExtent::Style::flow, at, flow_end(text, at, false), 0};
  if (c == '"' || c == '\'') return {YamlExtent::Style::flow, at, skip_quoted(text, at), 0};
  std::size_t to = at;
  while (to < line_end(text, at) && !starts_comment(text, to)) ++to;
  if (to == line_end(text, at)) to = lines_end(text, at, indent, false);
  return {YamlExtent::Style::flow, at, trimmed(text, at, to), 0};
}

// A value in the lines below that of its key, which ends at `line`.
YamlExtent below_extent(std::string_view text, std::size_t line, std::size_t end) {
  std::size_t first = skip_blanks(text, line);
  while (text[first] == '\n' || text[first] == '#') {
    line = line_end(text, line) + 1;
    first = skip_blanks(text, line);
  }
  const bool flow = std::string_view("{[\"'").contains(text[first]);
  return {flow ? YamlExtent::Style::flow : YamlExtent::Style::block, first, trimmed(text, first, end), first - line};
}

}  // namespace

std::size_t yaml_offset(std::string_view text, int line, int column) {
  std::size_t at = 0;
  for (; line > 1 && at < text.size(); --line) at = line_end(text, at) + 1;
  for (; column > 1 && at < text.size(); --column)
    for (++at; at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;) ++at;
  return std::min(at, text.size());
}

YamlExtent yaml_value_extent(std::string_view text, std::size_t key, bool in_braces) {
  const std::size_t after_colon = std::min(text.find(':', key), text.size() - 1) + 1;
  if (in_braces) return in_braces_extent(text, after_colon);
  const std::size_t indent = key - (key == 0 ? 0 : text.rfind('\n', key - 1) + 1);
  const std::size_t at = skip_blanks(text, after_colon);
  if (at < text.size() && text[at] != '\n' && !starts_comment(text, at)) return same_line_extent(text, at, indent);
  const std::size_t end = lines_end(text, at, indent, false);
  if (end == line_end(text, at)) return {YamlExtent::Style::nothing, after_colon, after_colon, 0};
  return below_extent(text, line_end(text, at) + 1, end);
}

}  // namespace penstock::scripting
