#include "pipeline/scripting/vm/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace penstock::scripting {
namespace {

constexpr std::size_t kPageBytes = 32 * 1024;

}  // namespace

void* CappedAllocator::reallocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& allocator = *static_cast<CappedAllocator*>(self);
  if (block == nullptr) return new_size == 0 ? nullptr : allocator.change(nullptr, 0, new_size);
  if (new_size != 0) return allocator.change(block, old_size, new_size);
  allocator.give(block, old_size);
  return nullptr;
}

void* CappedAllocator::change(void* block, std::size_t old_size, std::size_t new_size) {
  if (new_size > old_size) {
    if (used_ + (new_size - old_size) > bytes_max_) return listener_.refused(), nullptr;
    if (new_size >= kLargeFrom) listener_.large_block(new_size);
  }
  if (block != nullptr && old_size > kSmallMax && new_size > kSmallMax) {
    void* moved = std::realloc(block, new_size);
    if (moved != nullptr) count(old_size, new_size);
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
    if (block != nullptr) count(0, size);
    return block;
  }
  used_ += size;
  given_ += size;
  Free*& head = free_[(size - 1) / kGrain];
  if (head == nullptr) return take_from_page(size);
  Free* block = head;
  head = block->next;
  return block;
}

void CappedAllocator::give(void* block, std::size_t size) {
  if (size > kSmallMax) {
    count(size, 0);
    return std::free(block);
  }
  used_ -= size;
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

void CappedAllocator::count(std::size_t old_size, std::size_t new_size) {
  used_ += new_size - old_size;
  if (new_size > old_size && new_size < kLargeFrom) given_ += new_size;
  if (old_size >= kHugeFrom) --huge_;
  if (new_size >= kHugeFrom) ++huge_;
}

}  // namespace penstock::scripting
