#include "pipeline/scripting/vm/allocator.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

using namespace penstock::scripting;

namespace {

constexpr std::size_t kCap = 4 << 20;

struct Listener final : AllocationListener {
  void large_block(std::size_t) override {}
  void refused() override { ++refusals; }
  void out_of_memory(lua_State*) override {}
  int refusals = 0;
};

// Blocks of an allocator, each filled with its own number, so that two that overlap are seen.
class Blocks {
 public:
  explicit Blocks(CappedAllocator& from) : from_(from) {}
  ~Blocks() { keep_each(0); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  bool take(std::size_t size) {
    void* block = CappedAllocator::reallocate(&from_, nullptr, 0, size);
    if (block == nullptr) return false;
    std::memset(block, static_cast<int>(blocks_.size() % 251), size);
    blocks_.push_back({static_cast<unsigned char*>(block), size, static_cast<unsigned char>(blocks_.size() % 251)});
    return true;
  }
  void take_all(std::size_t size) {
    while (take(size)) {}
  }
  // Gives back all but every n-th; 0: all.
  void keep_each(std::size_t n) {
    std::vector<Block> kept;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const Block& block = blocks_[i];
      CHECK((block.at[0] == block.filled && block.at[block.size - 1] == block.filled));
      if (n > 0 && i % n == 0) kept.push_back(block);
      else CappedAllocator::reallocate(&from_, block.at, block.size, 0);
    }
    blocks_ = std::move(kept);
  }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const Block& block : blocks_) sum += block.size;
    return sum;
  }

 private:
  struct Block {
    unsigned char* at;
    std::size_t size;
    unsigned char filled;
  };

  CappedAllocator& from_;
  std::vector<Block> blocks_;
};

}  // namespace

TEST_CASE("what was given back in one size is there for all others, up to the cap") {
  Listener listener;
  CappedAllocator allocator(kCap, listener);
  Blocks blocks(allocator);
  for (const std::size_t size : {16, 32, 256, 240, 100, 4000, 48, 70'000, 16, 112, 300, 64}) {
    CAPTURE(size);
    blocks.take_all(size);
    CHECK(blocks.bytes() > kCap - size);
    CHECK(allocator.used() == blocks.bytes());
    CHECK(allocator.held() <= CappedAllocator::held_max(kCap));
    blocks.keep_each(0);
  }
  CHECK(allocator.used() == 0);
}

TEST_CASE("pages that are held by a block each end at the bound too") {
  Listener listener;
  CappedAllocator allocator(kCap, listener);
  Blocks blocks(allocator);
  for (std::size_t size = 256; size >= 16; size -= 16) {
    CAPTURE(size);
    blocks.take_all(size);
    CHECK(allocator.held() <= CappedAllocator::held_max(kCap));
    blocks.keep_each(100);
  }
  for (std::size_t size = 16; size <= 256; size += 16) {
    blocks.take_all(size);
    CHECK(allocator.held() <= CappedAllocator::held_max(kCap));
    blocks.keep_each(100);
  }
  CHECK(listener.refusals >= 32);
}

TEST_CASE("a block shrinks even when the bound is reached") {
  Listener listener;
  CappedAllocator allocator(kCap, listener);
  Blocks blocks(allocator);
  void* block = CappedAllocator::reallocate(&allocator, nullptr, 0, 1000);
  std::memset(block, 7, 1000);
  for (const std::size_t size : {256, 128, 64, 32}) {
    blocks.take_all(size);
    blocks.keep_each(4);
  }
  blocks.take_all(16);
  block = CappedAllocator::reallocate(&allocator, block, 1000, 200);
  REQUIRE(block != nullptr);
  CHECK(static_cast<unsigned char*>(block)[199] == 7);
  CappedAllocator::reallocate(&allocator, block, 200, 0);
}
