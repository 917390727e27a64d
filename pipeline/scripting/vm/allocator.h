#pragma once
// Memory for one Lua state: counted, capped, and recycled in size classes, because a state asks for and gives back a few
// small blocks per event and the general heap costs several times more for that.
//
// At the cap it refuses; Lua then collects garbage once and asks again before it raises an error. Blocks of one size stand in
// pages with others, and what was given back serves the same size again. So that nobody holds a multiple of the cap by filling
// it with one size after another, the pages have a bound of their own (`held_max`): there, larger free blocks are cut, pages
// without a block in use go back to the heap, and when nothing helps it refuses as well. What it gives is counted
// too, for work that allocates takes time beyond its instructions: large blocks are told at once, because `..` and the buffers
// of C functions copy megabytes between two instructions. Not thread-safe.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

struct lua_State;

namespace penstock::scripting {

// Who hears of what cannot wait. Called from within Lua's allocation: it may look at the stack, not use the state.
class AllocationListener {
 public:
  virtual void large_block(std::size_t bytes) = 0;  // about to be given
  virtual void refused() = 0;  // the cap is reached
  virtual void out_of_memory(lua_State* running) = 0;  // and nothing helped: an error is about to unwind the stack

 protected:
  ~AllocationListener() = default;
};

class CappedAllocator {
 public:
  static constexpr std::size_t kLargeFrom = 32 * 1024;
  static constexpr std::size_t kHugeFrom = 1024 * 1024;

  CappedAllocator(std::size_t bytes_max, AllocationListener& listener)
      : bytes_max_(bytes_max), held_max_(held_max(bytes_max)), listener_(listener) {}
  CappedAllocator(const CappedAllocator&) = delete;
  CappedAllocator& operator=(const CappedAllocator&) = delete;

  // The lua_Alloc contract: `self` is the allocator; nullptr when refused. Shrinking never fails.
  static void* reallocate(void* self, void* block, std::size_t old_size, std::size_t new_size);

  // See lua_throws.h. States with another allocator are passed over.
  static void tell_out_of_memory(lua_State* running);

  std::size_t used() const { return used_; }
  // What is taken from the heap: pages, whatever is in use of them, and larger blocks. Not above held_max(cap) but for a page
  // that shrinking needs.
  std::size_t held() const { return large_ + pages_.size() * kPageBytes; }
  static constexpr std::size_t held_max(std::size_t bytes_max) { return bytes_max + bytes_max / 4 + 4 * kPageBytes; }
  // Bytes of all blocks below kLargeFrom that were ever given.
  std::size_t given() const { return given_; }
  // There are blocks of kHugeFrom and more: one instruction may copy or compare so much.
  bool holds_huge() const { return huge_ > 0; }

 private:
  static constexpr std::size_t kGrain = 16;
  static constexpr std::size_t kSmallMax = 256;
  static constexpr std::size_t kPageBytes = 32 * 1024;
  enum class Need : std::uint8_t { may_refuse, must };
  struct Free {
    Free* next;
  };

  void* change(void* block, std::size_t old_size, std::size_t new_size);
  void* take(std::size_t size, Need need);
  void give(void* block, std::size_t size);
  void* take_from_page(std::size_t size, Need need);
  bool has_room(std::size_t bytes);
  void* cut_larger(std::size_t rounded);
  void put_free(void* block, std::size_t size_class);
  void give_back_pages();
  void count(std::size_t old_size, std::size_t new_size);

  std::size_t bytes_max_;
  std::size_t held_max_;
  AllocationListener& listener_;
  std::size_t used_ = 0;
  std::size_t large_ = 0;  // of used_, in blocks above kSmallMax
  std::size_t given_ = 0;
  std::size_t huge_ = 0;
  std::array<Free*, kSmallMax / kGrain> free_{};
  std::vector<std::unique_ptr<std::byte[]>> pages_;
  std::byte* page_at_ = nullptr;
  std::byte* page_end_ = nullptr;
};

}  // namespace penstock::scripting
