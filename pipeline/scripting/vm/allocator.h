#pragma once
// Memory for one Lua state: counted, capped, and recycled in size classes, because a state asks for and gives back a few
// small blocks per event and the general heap costs several times more for that.
//
// At the cap it refuses; Lua then collects garbage once and asks again before it raises an error. A large block also
// charges the meter, for `..` and the buffers of C functions copy megabytes between two instructions. Not thread-safe.

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "pipeline/scripting/vm/limits.h"

namespace penstock::scripting {

class CappedAllocator {
 public:
  CappedAllocator(std::size_t bytes_max, Meter& meter) : bytes_max_(bytes_max), meter_(meter) {}
  CappedAllocator(const CappedAllocator&) = delete;
  CappedAllocator& operator=(const CappedAllocator&) = delete;

  // The lua_Alloc contract: `self` is the allocator; nullptr when refused. Shrinking never fails.
  static void* reallocate(void* self, void* block, std::size_t old_size, std::size_t new_size);

  std::size_t used() const { return used_; }

 private:
  static constexpr std::size_t kGrain = 16;
  static constexpr std::size_t kSmallMax = 256;
  struct Free {
    Free* next;
  };

  void* change(void* block, std::size_t old_size, std::size_t new_size);
  void* take(std::size_t size);
  void give(void* block, std::size_t size);
  void* take_from_page(std::size_t size);
  bool charge(std::size_t bytes);

  std::size_t bytes_max_;
  Meter& meter_;
  std::size_t used_ = 0;
  std::array<Free*, kSmallMax / kGrain> free_{};
  std::vector<std::unique_ptr<std::byte[]>> pages_;
  std::byte* page_at_ = nullptr;
  std::byte* page_end_ = nullptr;
};

}  // namespace penstock::scripting
