#include "pipeline/config/describe.h"

#include <fmt/format.h>

#include "pipeline/config/read_value.h"

namespace penstock::config {
namespace {

std::string_view noun_of(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean: return "true or false";
    case TypeKind::integer: return "an integer";
    case TypeKind::number: return "a number";
    case TypeKind::text: return "text";
    case TypeKind::bytes: return "a size such as 64MiB";
    case TypeKind::duration: return "a duration such as 250ms, 5s, 2m, 1h or 7d";
    case TypeKind::rate: return "a rate such as 100/s, 5/m or 1000/h";
    case TypeKind::secret: return "a secret";
    case TypeKind::url: return "an http:// or https:// address";
    case TypeKind::listen_address: return "an address to listen on such as 127.0.0.1:8000";
    case TypeKind::choice: return "a name";
    case TypeKind::list: return "a list";
    case TypeKind::string_map: return "a map of names to texts";
    case TypeKind::structure: return "a map of settings";
    case TypeKind::any: return "anything";
  }
  return {};
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 60;
  std::string_view shown = text.substr(0, kShown);
  while (shown.size() < text.size() && !shown.empty() && (static_cast<unsigned char>(text[shown.size()]) & 0xC0) == 0x80)
    shown.remove_suffix(1);
  std::string out;
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) out += fmt::format("\\x{:02x}", byte);
    else out.push_back(c);
  }
  if (shown.size() < text.size()) out += "…";
  return out;
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
    case Node::Kind::scalar: break;
  }
  return node.secret ? "***" : fmt::format("\"{}\"", printable(node.text));
}

std::string range_text(double value, TypeKind kind) {
  switch (kind) {
    case TypeKind::bytes: return write_value(Bytes{static_cast<std::uint64_t>(value)}).text;
    case TypeKind::duration: return write_value(Duration(static_cast<std::int64_t>(value))).text;
    case TypeKind::rate: return write_value(Rate{value}).text;
    case TypeKind::integer: return fmt::format("{:.0f}", value);
    default: return fmt::format("{}", value);
  }
}

std::string describe(TypeKind kind, const std::optional<Range>& range) {
  const std::string_view noun = noun_of(kind);
  if (!range) return std::string(noun);
  return fmt::format("{} from {} to {}", noun.substr(0, noun.find(" such as")), range_text(range->min, kind),
                     range_text(range->max, kind));
}

}  // namespace penstock::config
