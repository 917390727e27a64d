#pragma once
// Memory for the texts that apps assign to one event: handed out in sequence, taken back all at once, kept for the next
// event. What it holds stays where it is until `reset`. Not thread-safe.

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace penstock::scripting {

class Arena {
 public:
  char* allocate(std::size_t size) {
    if (size > left_) grow(size);
    char* taken = at_;
    at_ += size;
    left_ -= size;
    used_ += size;
    return taken;
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* to = allocate(text.size());
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  std::size_t used() const { return used_; }

  // One block is kept; what a large event needed beyond goes back to the heap.
  void reset() {
    if (blocks_.size() > 1) blocks_.resize(1);
    used_ = 0;
    at_ = blocks_.empty() ? nullptr : blocks_.front().get();
    left_ = blocks_.empty() ? 0 : kBlockBytes;
  }

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  // The first block is always of the ordinary size, so that it can be kept.
  void grow(std::size_t size) {
    const std::size_t bytes = blocks_.empty() || size < kBlockBytes ? kBlockBytes : size;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    at_ = blocks_.back().get();
    left_ = bytes;
    if (size > left_) grow(size);
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  std::size_t left_ = 0;
  std::size_t used_ = 0;
};

}  // namespace penstock::scripting
