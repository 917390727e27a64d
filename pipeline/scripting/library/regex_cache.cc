#include "pipeline/scripting/library/regex_cache.h"

#include <algorithm>

namespace penstock::scripting {

Result<RegexCache::Found> RegexCache::get(std::string_view key) {
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    Slot& slot = slots_[it->second];
    slot.used = ++now_;
    return Found{slot.regex.get(), {it->second, slot.stamp}, false};
  }
  const auto slash = key.find('/');
  TRY_ASSIGN(auto regex, Regex::compile(key.substr(slash + 1), key.substr(0, slash)));
  const auto oldest = std::ranges::min_element(slots_, {}, &Slot::used);
  if (oldest->regex != nullptr) by_key_.erase(oldest->key);
  const auto place = static_cast<std::uint32_t>(oldest - slots_.begin());
  *oldest = {std::move(regex), std::string(key), now_ + 1, now_ + 1};
  ++now_;
  by_key_.emplace(oldest->key, place);
  return Found{oldest->regex.get(), {place, oldest->stamp}, true};
}

const Regex* RegexCache::at(const Handle& handle) {
  Slot& slot = slots_[handle.slot];
  if (slot.stamp != handle.stamp) return nullptr;
  slot.used = ++now_;
  return slot.regex.get();
}

}  // namespace penstock::scripting
