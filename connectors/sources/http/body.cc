#include "connectors/sources/http/body.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <vector>

namespace penstock::sources::http {
namespace {

using json::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The next line that is not blank, trimmed; `rest` begins after it. Empty at the end.
std::string_view next_line(std::string_view& rest) {
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (const auto text = trimmed(line); !text.empty()) return text;
  }
  return {};
}

bool is_object(std::string_view text, json::Validator& validator) {
  if (!text.starts_with('{')) return false;
  return validator.validate_value(text).has_value();
}

bool any_line_is_object(std::string_view text, json::Validator& validator) {
  for (auto line = next_line(text); !line.empty(); line = next_line(text)) {
    if (is_object(line, validator)) return true;
  }
  return false;
}

std::unexpected<Error> too_many(std::size_t events_max) {
  return fail(ErrorKind::limit,
              fmt::format("there are more than {} events in one request; send fewer at a time", events_max));
}

Result<std::vector<std::string_view>> lines_of(std::string_view text, std::size_t events_max) {
  std::vector<std::string_view> lines;
  for (auto line = next_line(text); !line.empty(); line = next_line(text)) {
    if (lines.size() == events_max) return too_many(events_max);
    lines.push_back(line);
  }
  return lines;
}

// Whether a valid array has more elements than that, found without an index: "[0,0,0,…" would need eight times its size.
bool has_more_elements(std::string_view array, std::size_t count_max) {
  if (array.size() <= 2 * count_max) return false;
  std::size_t commas = 0;
  int depth = 0;
  for (std::size_t i = 0; i < array.size() && commas < count_max; ++i) {
    switch (array[i]) {
      case '[':
      case '{': ++depth; break;
      case ']':
      case '}': --depth; break;
      case ',': commas += depth == 1 ? 1 : 0; break;
      case '"':
        for (++i; i < array.size() && array[i] != '"'; ++i) i += array[i] == '\\' ? 1 : 0;
        break;
      default: break;
    }
  }
  return commas >= count_max;
}

Result<std::vector<std::string_view>> elements_of(std::string_view array, std::size_t events_max) {
  if (has_more_elements(array, events_max)) return too_many(events_max);
  std::vector<std::string_view> elements;
  TRY(json::index_array(array, elements));
  return elements;
}

Result<std::vector<std::string_view>> split(std::string_view text, BodyKind kind, std::size_t events_max,
                                            json::Validator& validator) {
  auto rest = text;
  const auto first = next_line(rest);
  if (first.empty())
    return fail(ErrorKind::invalid, "the body is empty: send a JSON object, an array of them, or one per line");
  const bool one_line = trimmed(rest).empty();
  const bool array = text.starts_with('[');
  if (!one_line && !array && (kind == BodyKind::ndjson || is_object(first, validator))) return lines_of(text, events_max);

  const auto whole = validator.validate_value(text);
  if (whole && json::kind_of(*whole) == Kind::array) return elements_of(*whole, events_max);
  if (whole && json::kind_of(*whole) == Kind::object) return std::vector{*whole};
  if (whole) return fail(ErrorKind::invalid, "the body is JSON, but neither an object nor an array of objects");
  // NDJSON with a bad first line has another that is an object by itself; a pretty-printed object that is broken has none.
  const bool lines = kind == BodyKind::ndjson || (!array && any_line_is_object(text, validator));
  if (!one_line && lines) return lines_of(text, events_max);
  return fail(ErrorKind::invalid, "the body cannot be read: " + whole.error().message);
}

}  // namespace

BodyKind body_kind(std::string_view content_type) {
  std::string name(trimmed(content_type.substr(0, content_type.find(';'))));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  constexpr std::array<std::string_view, 6> kLines{"application/x-ndjson",  "application/ndjson",
                                                   "application/jsonl",     "application/x-jsonl",
                                                   "application/jsonlines", "application/x-jsonlines"};
  return std::find(kLines.begin(), kLines.end(), name) != kLines.end() ? BodyKind::ndjson : BodyKind::json;
}

Result<PushedRecords> split_body(std::string text, BodyKind kind, std::size_t events_max, json::Validator& validator) {
  PushedRecords records;
  records.text = std::move(text);
  records.text.reserve(64);  // a short string lives inside the std::string, and its views would not survive a move
  std::string_view view = records.text;
  if (view.starts_with("\xef\xbb\xbf")) view.remove_prefix(3);
  TRY_ASSIGN(records.bodies, split(trimmed(view), kind, events_max, validator));
  return records;
}

}  // namespace penstock::sources::http
