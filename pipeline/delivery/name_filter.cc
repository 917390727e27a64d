#include "pipeline/delivery/name_filter.h"

#include <algorithm>

namespace penstock::delivery {
namespace {

// Greedy, with one place to come back to: linear in practice, quadratic at worst, never exponential.
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

NameFilter::NameFilter(const std::vector<std::string>& patterns) {
  for (const auto& pattern : patterns) {
    if (pattern.find('*') == std::string::npos) {
      names_.insert(pattern);
    } else {
      globs_.push_back(pattern);
    }
  }
}

bool NameFilter::wants(std::string_view event) const {
  return wants_everything() || names_.contains(event) ||
         std::ranges::any_of(globs_, [&](const auto& glob) { return glob_matches(glob, event); });
}

}  // namespace penstock::delivery
