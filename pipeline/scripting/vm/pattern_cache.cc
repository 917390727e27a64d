#include "pipeline/scripting/vm/pattern_cache.h"

#include <bit>
#include <cstdint>
#include <utility>

namespace penstock::scripting {

std::size_t PatternCache::place_of(const char* text, bool anchors) {
  constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;
  const std::uint64_t mixed = (std::bit_cast<std::uintptr_t>(text) + (anchors ? 0 : 1)) * kSpread;
  return mixed >> (64 - std::countr_zero(kEntries));
}

PatternCache::Use::Use(PatternCache& cache, std::string_view text, bool anchors) {
  auto& entry = cache.entries_[place_of(text.data(), anchors)];
  const bool known = entry != nullptr && entry->anchors == anchors && entry->text == text;
  if (text.size() > kTextMax || (!known && entry != nullptr && entry->uses > 0)) {
    pattern_ = &own_.emplace(text, anchors);
    return;
  }
  if (!known) {
    auto fresh = entry != nullptr ? std::move(entry) : std::make_unique<Entry>();
    fresh->pattern.compile(text, anchors);
    fresh->text = text;
    fresh->anchors = anchors;
    entry = std::move(fresh);  // only now: half an entry would be wrong for ever
  }
  entry_ = entry.get();
  ++entry_->uses;
  pattern_ = &entry_->pattern;
}

PatternCache::Use::~Use() {
  if (entry_ != nullptr) --entry_->uses;
}

}  // namespace penstock::scripting
