#include "pipeline/event/dictionary.h"

#include <algorithm>

#include "pipeline/base/checksum.h"

namespace penstock {
namespace {

constexpr std::size_t kSlotsMin = 64;
constexpr std::size_t kSlotsKept = 1 << 16;  // more than that is given back when the chunk is done
constexpr std::size_t kSearchMax = 64;

}  // namespace

Dictionary::Place Dictionary::add(std::string_view text) {
  if (entries_.size() * 2 >= slots_.size()) grow();
  const std::uint64_t hash = checksum(text);
  const std::size_t mask = slots_.size() - 1;
  std::uint32_t* free_slot = nullptr;
  for (std::size_t step = 0; step < kSearchMax; ++step) {
    std::uint32_t& slot = slots_[(hash + step) & mask];
    if (slot == 0) {
      free_slot = &slot;
      break;
    }
    if (entries_[slot - 1].hash == hash && (*this)[slot - 1] == text) return {slot - 1, false};
  }
  entries_.push_back({hash, text_.size(), text.size()});
  text_.append(text);
  if (free_slot != nullptr) *free_slot = size();
  return {size() - 1, true};
}

void Dictionary::grow() {
  slots_.assign(std::max(kSlotsMin, slots_.size() * 2), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::uint32_t number = 0; number < size(); ++number) {
    for (std::size_t step = 0; step < kSearchMax; ++step) {
      std::uint32_t& slot = slots_[(entries_[number].hash + step) & mask];
      if (slot != 0) continue;
      slot = number + 1;
      break;
    }
  }
}

void Dictionary::clear() {
  text_.clear();
  entries_.clear();
  if (slots_.size() > kSlotsKept) slots_.resize(kSlotsKept);
  std::ranges::fill(slots_, 0);
}

}  // namespace penstock
