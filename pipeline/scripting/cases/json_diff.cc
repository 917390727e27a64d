#include "pipeline/scripting/cases/json_diff.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/event/json.h"

namespace penstock::scripting {
namespace {

constexpr std::size_t kShown = 200;

std::string shown(std::string_view raw) {
  std::string text;
  json::append_compact(text, raw);
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  return text;
}

std::string text_of(std::string_view raw_string) {
  std::string scratch;
  return std::string(json::unescape(raw_string, scratch));
}

std::string key_of(const json::Member& member) {
  return member.key_escaped ? text_of(fmt::format("\"{}\"", member.key)) : std::string(member.key);
}

class Comparison {
 public:
  void values(const std::string& path, std::string_view expected, std::string_view got) {
    const json::Kind kind = json::kind_of(expected);
    if (kind == json::kind_of(got)) {
      if (kind == json::Kind::object) return objects(path, expected, got);
      if (kind == json::Kind::array) return arrays(path, expected, got);
      if (kind == json::Kind::string ? text_of(expected) == text_of(got) : expected == got) return;
    }
    note(path, shown(expected), shown(got));
  }

  std::vector<std::string> lines;

 private:
  void note(const std::string& path, std::string_view expected, std::string_view got) {
    lines.push_back(fmt::format("{}: expected {}, got {}", path.empty() ? "the event" : path, expected, got));
  }

  void objects(const std::string& path, std::string_view expected, std::string_view got) {
    json::ObjectIndex left;
    json::ObjectIndex right;
    if (!json::index_object(expected, left) || !json::index_object(got, right))
      return note(path, "valid JSON", "damaged JSON");
    const auto inner = [&](const std::string& key) { return path.empty() ? key : fmt::format("{}.{}", path, key); };
    for (const json::Member& member : left.members()) {
      const std::string key = key_of(member);
      if (const json::Member* other = right.find(key)) values(inner(key), member.value, other->value);
      else note(inner(key), shown(member.value), "nothing");
    }
    for (const json::Member& member : right.members())
      if (const std::string key = key_of(member); left.find(key) == nullptr)
        note(inner(key), "nothing", shown(member.value));
  }

  void arrays(const std::string& path, std::string_view expected, std::string_view got) {
    std::vector<std::string_view> left;
    std::vector<std::string_view> right;
    if (!json::index_array(expected, left) || !json::index_array(got, right))
      return note(path, "valid JSON", "damaged JSON");
    for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
      const std::string element = fmt::format("{}[{}]", path, i + 1);
      if (i >= right.size()) note(element, shown(left[i]), "nothing");
      else if (i >= left.size()) note(element, "nothing", shown(right[i]));
      else values(element, left[i], right[i]);
    }
  }
};

}  // namespace

std::vector<std::string> differences(std::string_view expected, std::string_view got) {
  Comparison comparison;
  comparison.values("", expected, got);
  return std::move(comparison.lines);
}

}  // namespace penstock::scripting
