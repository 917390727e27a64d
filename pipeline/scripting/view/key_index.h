#pragma once
// Finds a member of a wide object by its key: a hash table of places, open addressing. Keys stay where they are; the index
// keeps a part of their hashes only, so whoever searches says whether the key at a place is the one. Senders choose the keys:
// the hash is one that they do not know. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "pipeline/base/checksum.h"

namespace penstock::scripting {

class KeyIndex {
 public:
  // Keys that were added: they got the places 0 to size() - 1.
  std::size_t size() const { return size_; }

  void clear() {
    if (size_ == 0) return;
    size_ = 0;
    slots_ = {};
  }

  void add(std::string_view key) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    put({tag_of(key), static_cast<std::uint32_t>(++size_)});
  }

  // How many slots are looked at before a free one says that a key is not there: what a search may cost.
  std::size_t steps_of_missing(std::string_view key) const {
    if (slots_.empty()) return 0;
    std::size_t at = tag_of(key);
    const std::size_t first = at;
    while (slots_[at & (slots_.size() - 1)].number != 0) ++at;
    return at - first + 1;
  }

  // The place for which `is_it` says yes, or all ones.
  template <class IsIt>
  std::size_t find(std::string_view key, IsIt is_it) const {
    if (slots_.empty()) return ~std::size_t{0};
    const std::uint32_t tag = tag_of(key);
    for (std::size_t at = tag;; ++at) {
      const Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.number == 0) return ~std::size_t{0};
      if (slot.tag == tag && is_it(slot.number - 1)) return slot.number - 1;
    }
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t number = 0;  // place + 1; 0: free
  };

  static std::uint32_t tag_of(std::string_view key) { return static_cast<std::uint32_t>(hash_of_process(key)); }

  void put(Slot taken) {
    std::size_t at = taken.tag;
    while (slots_[at & (slots_.size() - 1)].number != 0) ++at;
    slots_[at & (slots_.size() - 1)] = taken;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 256 : 2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.number != 0) put(slot);
  }

  std::vector<Slot> slots_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace penstock::scripting
