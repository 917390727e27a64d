#include "pipeline/event/event_filter.h"

#include <algorithm>

namespace penstock {
namespace {

// After a mismatch it is enough to let the last `*` take one byte more, so no pattern makes this worse than quadratic.
bool glob_matches(std::string_view glob, std::string_view text) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      taken = i;
    } else if (at < glob.size() && glob[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace

EventFilter::EventFilter(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (pattern.contains('*')) globs_.push_back(pattern);
    else names_.insert(pattern);
  }
}

bool EventFilter::takes(std::string_view event) const {
  if (takes_everything()) return true;
  if (!names_.empty() && names_.contains(event)) return true;
  return std::ranges::any_of(globs_, [&](const std::string& glob) { return glob_matches(glob, event); });
}

}  // namespace penstock
