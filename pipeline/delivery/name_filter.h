#pragma once
// `events: [signup, "$page*"]`: which events a destination gets, decided on the fact alone. Immutable.

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace penstock::delivery {

class NameFilter {
 public:
  // None: everything. `*` in a pattern stands for any text, also none.
  explicit NameFilter(const std::vector<std::string>& patterns);

  bool wants_everything() const { return names_.empty() && globs_.empty(); }
  bool wants(std::string_view event) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> names_;
  std::vector<std::string> globs_;
};

}  // namespace penstock::delivery
