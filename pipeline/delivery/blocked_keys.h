#pragma once
// `on_dead: block`: keys of which the destination has dead letters, and where the first of these stands. What comes after it becomes
// a letter behind it, and all of them go again in their order when it is delivered or discarded. Events of one key are in one
// partition, so an offset says which is first. Lives on one strand.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "pipeline/delivery/order_key.h"

namespace penstock::delivery {

class BlockedKeys {
 public:
  explicit BlockedKeys(const std::vector<FirstDead>& dead) {
    for (const auto& [key, offset] : dead) blocked_.emplace(key, offset);
  }

  // Whether an event at `offset` stands behind a dead letter of its key.
  bool holds(OrderKey key, std::uint64_t offset) const { return is_after(blocked_, key, offset); }
  std::size_t size() const { return blocked_.size(); }
  std::vector<OrderKey> all() const {
    std::vector<OrderKey> keys;
    for (const auto& [key, offset] : blocked_) keys.push_back(key);
    return keys;
  }

  // A letter of the key is on its way to the store, and has come there.
  void writing(OrderKey key, std::uint64_t offset) {
    if (key == 0) return;
    lower(blocked_, key, offset);
    ++unwritten_[key];
  }
  void written(OrderKey key) {
    const auto it = unwritten_.find(key);
    if (it != unwritten_.end() && --it->second == 0) unwritten_.erase(it);
  }
  // The store had no letter of it a moment ago.
  void free(OrderKey key) {
    if (!unwritten_.contains(key)) blocked_.erase(key);
  }

  // While letters are sent again one of the key has died at `offset`: those after it stay where they are until all are through that
  // are wanted now.
  void died(OrderKey key, std::uint64_t offset) {
    if (key != 0) lower(died_, key, offset);
  }
  bool holds_again(OrderKey key, std::uint64_t offset) const { return is_after(died_, key, offset); }
  // Gives the keys of which one has died.
  std::vector<OrderKey> all_through() {
    std::vector<OrderKey> keys;
    for (const auto& [key, offset] : died_) keys.push_back(key);
    died_.clear();
    return keys;
  }

 private:
  using Offsets = std::unordered_map<OrderKey, std::uint64_t>;

  static bool is_after(const Offsets& first, OrderKey key, std::uint64_t offset) {
    const auto it = first.find(key);
    return it != first.end() && offset > it->second;
  }
  static void lower(Offsets& first, OrderKey key, std::uint64_t offset) {
    const auto it = first.try_emplace(key, offset).first;
    it->second = std::min(it->second, offset);
  }

  Offsets blocked_;
  Offsets died_;
  std::unordered_map<OrderKey, std::size_t> unwritten_;
};

}  // namespace penstock::delivery
