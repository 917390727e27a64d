#include "pipeline/scripting/cases/json_diff.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/event/json.h"

namespace penstock::scripting {
namespace {

constexpr std::size_t kLineShown = 200;

std::string compact(std::string_view raw) {
  std::string text;
  json::append_compact(text, raw);
  return text;
}

std::string text_of(std::string_view raw_string) {
  std::string scratch;
  return std::string(json::unescape(raw_string, scratch));
}

std::string key_of(const json::Member& member) {
  std::string scratch;
  return std::string(json::unescaped_key(member, scratch));
}

class Comparison {
 public:
  void values(const std::string& path, std::string_view before, std::string_view after) {
    const json::Kind kind = json::kind_of(before);
    if (kind == json::kind_of(after)) {
      if (kind == json::Kind::object && objects(path, before, after)) return;
      if (kind == json::Kind::array && arrays(path, before, after)) return;
      if (kind == json::Kind::string ? text_of(before) == text_of(after) : before == after) return;
    }
    found.push_back({path, compact(before), compact(after)});
  }

  std::vector<Difference> found;

 private:
  // False when one of the texts is damaged; then nothing was noted.
  bool objects(const std::string& path, std::string_view before, std::string_view after) {
    json::ObjectIndex left;
    json::ObjectIndex right;
    if (!json::index_object(before, left) || !json::index_object(after, right)) return false;
    const auto inner = [&](const std::string& key) { return path.empty() ? key : fmt::format("{}.{}", path, key); };
    for (const json::Member& member : left.members()) {
      const std::string key = key_of(member);
      if (const json::Member* other = right.find(key)) values(inner(key), member.value, other->value);
      else found.push_back({inner(key), compact(member.value), ""});
    }
    for (const json::Member& member : right.members())
      if (const std::string key = key_of(member); left.find(key) == nullptr)
        found.push_back({inner(key), "", compact(member.value)});
    return true;
  }

  bool arrays(const std::string& path, std::string_view before, std::string_view after) {
    std::vector<std::string_view> left;
    std::vector<std::string_view> right;
    if (!json::index_array(before, left) || !json::index_array(after, right)) return false;
    for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
      const std::string element = fmt::format("{}[{}]", path, i + 1);
      if (i >= right.size()) found.push_back({element, compact(left[i]), ""});
      else if (i >= left.size()) found.push_back({element, "", compact(right[i])});
      else values(element, left[i], right[i]);
    }
    return true;
  }
};

}  // namespace

std::vector<Difference> differences(std::string_view before, std::string_view after) {
  Comparison comparison;
  comparison.values("", before, after);
  return std::move(comparison.found);
}

std::string as_expectation(const Difference& difference) {
  const auto shown = [](const std::string& raw) { return raw.empty() ? "nothing" : shown_json(raw, kLineShown); };
  return fmt::format("{}: expected {}, got {}", difference.path.empty() ? "the event" : difference.path,
                     shown(difference.before), shown(difference.after));
}

std::string shown_json(std::string_view raw, std::size_t bytes_max) {
  std::string text = compact(raw);
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  text.resize(bytes_max);
  return text + "…";
}

}  // namespace penstock::scripting
