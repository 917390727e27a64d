#pragma once
// `events: [signup, "$page*"]`: which events an app or a destination takes, decided on the fact alone, without the body.
// Immutable, so any thread may ask.

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace penstock {

class EventFilter {
 public:
  EventFilter() = default;
  // Names, and globs in which `*` stands for any text, also none. No pattern at all takes everything.
  explicit EventFilter(const std::vector<std::string>& patterns);

  bool takes_everything() const { return names_.empty() && globs_.empty(); }
  bool takes(std::string_view event) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> names_;
  std::vector<std::string> globs_;
};

}  // namespace penstock
