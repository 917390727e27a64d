#include "pipeline/scripting/vm/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace penstock::scripting {
namespace {

constexpr std::size_t kPageBytes = 32 * 1024;
// From this size on a block is charged: copying it takes as long as some instructions.
constexpr std::size_t kChargedFrom = 4096;
constexpr std::size_t kBytesPerInstruction = 16;

}  // namespace

void* CappedAllocator::reallocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& allocator = *static_cast<CappedAllocator*>(self);
  if (block == nullptr) return new_size == 0 ? nullptr : allocator.change(nullptr, 0, new_size);
  if (new_size != 0) return allocator.change(block, old_size, new_size);
  allocator.give(block, old_size);
  return nullptr;
}

void* CappedAllocator::change(void* block, std::size_t old_size, std::size_t new_size) {
  if (new_size > old_size && (used_ + (new_size - old_size) > bytes_max_ || !charge(new_size))) return nullptr;
  if (block != nullptr && old_size > kSmallMax && new_size > kSmallMax) {
    void* moved = std::realloc(block, new_size);
    if (moved == nullptr) return nullptr;
    used_ += new_size - old_size;
    return moved;
  }
  if (block != nullptr && new_size <= kSmallMax && (old_size - 1) / kGrain == (new_size - 1) / kGrain) {
    used_ += new_size - old_size;
    return block;
  }
  void* taken = take(new_size);
  if (taken == nullptr || block == nullptr) return taken;
  std::memcpy(taken, block, std::min(old_size, new_size));
  give(block, old_size);
  return taken;
}

void* CappedAllocator::take(std::size_t size) {
  if (size > kSmallMax) {
    void* block = std::malloc(size);
    if (block != nullptr) used_ += size;
    return block;
  }
  used_ += size;
  Free*& head = free_[(size - 1) / kGrain];
  if (head == nullptr) return take_from_page(size);
  Free* block = head;
  head = block->next;
  return block;
}

void CappedAllocator::give(void* block, std::size_t size) {
  used_ -= size;
  if (size > kSmallMax) return std::free(block);
  Free*& head = free_[(size - 1) / kGrain];
  auto* freed = static_cast<Free*>(block);
  freed->next = head;
  head = freed;
}

void* CappedAllocator::take_from_page(std::size_t size) {
  const std::size_t rounded = (size + kGrain - 1) / kGrain * kGrain;
  if (static_cast<std::size_t>(page_end_ - page_at_) < rounded) {
    pages_.push_back(std::make_unique_for_overwrite<std::byte[]>(kPageBytes));
    page_at_ = pages_.back().get();
    page_end_ = page_at_ + kPageBytes;
  }
  void* block = page_at_;
  page_at_ += rounded;
  return block;
}

bool CappedAllocator::charge(std::size_t bytes) {
  if (bytes < kChargedFrom) return true;
  meter_.instructions_left -= static_cast<std::int64_t>(bytes / kBytesPerInstruction);
  if (meter_.instructions_left >= 0) return true;
  if (meter_.stop == Stop::none) meter_.stop = Stop::instructions;
  return false;
}

}  // namespace penstock::scripting
