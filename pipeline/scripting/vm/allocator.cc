#include "pipeline/scripting/vm/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <lua.hpp>
#include <unordered_map>
#include <utility>

namespace penstock::scripting {
namespace {

// Of looking for empty pages, for each free block, in bytes that were given: see Vm::spend.
constexpr std::size_t kGivenPerBlockLookedAt = 8;

}  // namespace

void* CappedAllocator::reallocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& allocator = *static_cast<CappedAllocator*>(self);
  if (block == nullptr) return new_size == 0 ? nullptr : allocator.change(nullptr, 0, new_size);
  if (new_size != 0) return allocator.change(block, old_size, new_size);
  allocator.give(block, old_size);
  return nullptr;
}

void CappedAllocator::tell_out_of_memory(lua_State* running) {
  void* self = nullptr;
  if (lua_getallocf(running, &self) == reallocate) static_cast<CappedAllocator*>(self)->listener_.out_of_memory(running);
}

void* CappedAllocator::change(void* block, std::size_t old_size, std::size_t new_size) {
  if (new_size > old_size) {
    const std::size_t growth = new_size - old_size;
    if (used_ + growth > bytes_max_ || (new_size > kSmallMax && !has_room(growth))) return listener_.refused(), nullptr;
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
  void* taken = take(new_size, new_size < old_size ? Need::must : Need::may_refuse);
  if (taken == nullptr || block == nullptr) return taken;
  std::memcpy(taken, block, std::min(old_size, new_size));
  give(block, old_size);
  return taken;
}

void* CappedAllocator::take(std::size_t size, Need need) {
  if (size > kSmallMax) {
    void* block = std::malloc(size);
    if (block != nullptr) count(0, size);
    return block;
  }
  Free*& head = free_[(size - 1) / kGrain];
  Free* block = head;
  if (block != nullptr) [[likely]]
    head = block->next;
  else block = static_cast<Free*>(take_from_page(size, need));
  if (block == nullptr) return nullptr;
  used_ += size;
  given_ += size;
  return block;
}

void CappedAllocator::give(void* block, std::size_t size) {
  if (size > kSmallMax) {
    count(size, 0);
    return std::free(block);
  }
  used_ -= size;
  put_free(block, (size - 1) / kGrain);
}

void* CappedAllocator::take_from_page(std::size_t size, Need need) {
  const std::size_t rounded = (size + kGrain - 1) / kGrain * kGrain;
  if (static_cast<std::size_t>(page_end_ - page_at_) < rounded) {
    if (page_at_ != page_end_) put_free(page_at_, static_cast<std::size_t>(page_end_ - page_at_) / kGrain - 1);
    page_at_ = page_end_ = nullptr;
    if (held() + kPageBytes > held_max_) [[unlikely]] {
      if (void* cut = cut_larger(rounded)) return cut;
      if (!has_room(kPageBytes) && need == Need::may_refuse) return listener_.refused(), nullptr;
    }
    pages_.push_back(std::make_unique_for_overwrite<std::byte[]>(kPageBytes));
    page_at_ = pages_.back().get();
    page_end_ = page_at_ + kPageBytes;
  }
  void* block = page_at_;
  page_at_ += rounded;
  return block;
}

// Whether so much may be taken from the heap, after looking for what can go back to it.
bool CappedAllocator::has_room(std::size_t bytes) {
  if (held() + bytes <= held_max_) [[likely]]
    return true;
  give_back_pages();
  return held() + bytes <= held_max_;
}

// A block from a free one of a larger class, whose rest becomes a free block of its own.
void* CappedAllocator::cut_larger(std::size_t rounded) {
  for (std::size_t larger = rounded + kGrain; larger <= kSmallMax; larger += kGrain) {
    Free*& head = free_[larger / kGrain - 1];
    if (head == nullptr) continue;
    auto* block = reinterpret_cast<std::byte*>(head);
    head = head->next;
    put_free(block + rounded, (larger - rounded) / kGrain - 1);
    return block;
  }
  return nullptr;
}

void CappedAllocator::put_free(void* block, std::size_t size_class) {
  Free*& head = free_[size_class];
  auto* freed = static_cast<Free*>(block);
  freed->next = head;
  head = freed;
}

// A page is empty when its free blocks are all of it; the one that blocks are being taken from is left alone. Counted as work,
// for a script may have this done again and again.
void CappedAllocator::give_back_pages() {
  const auto window_of = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) / kPageBytes; };
  // By the window of the address space that a page begins in: one at most.
  std::unordered_map<std::uintptr_t, std::size_t> beginning_in;
  beginning_in.reserve(pages_.size());
  for (std::size_t i = 0; i < pages_.size(); ++i) beginning_in.emplace(window_of(pages_[i].get()), i);
  const auto page_of = [&](const void* block) {
    const auto it = beginning_in.find(window_of(block));
    const bool here = it != beginning_in.end() && std::less_equal<const void*>()(pages_[it->second].get(), block);
    return here ? it->second : beginning_in.at(window_of(block) - 1);
  };
  std::vector<std::size_t> free_bytes(pages_.size());
  std::size_t blocks = 0;
  for (std::size_t i = 0; i < free_.size(); ++i)
    for (const Free* block = free_[i]; block != nullptr; block = block->next, ++blocks)
      free_bytes[page_of(block)] += (i + 1) * kGrain;
  given_ += blocks * kGivenPerBlockLookedAt;
  if (std::ranges::find(free_bytes, kPageBytes) == free_bytes.end()) return;
  for (Free*& head : free_) {
    for (Free** link = &head; *link != nullptr;) {
      if (free_bytes[page_of(*link)] == kPageBytes) *link = (*link)->next;
      else link = &(*link)->next;
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pages_.size(); ++i)
    if (free_bytes[i] != kPageBytes) std::swap(pages_[kept++], pages_[i]);
  pages_.resize(kept);
}

void CappedAllocator::count(std::size_t old_size, std::size_t new_size) {
  used_ += new_size - old_size;
  large_ += new_size - old_size;
  if (new_size > old_size && new_size < kLargeFrom) given_ += new_size;
  if (old_size >= kHugeFrom) --huge_;
  if (new_size >= kHugeFrom) ++huge_;
}

}  // namespace penstock::scripting

extern "C" void penstock_lua_throws(lua_State* state, int status) {
  if (status == LUA_ERRMEM) penstock::scripting::CappedAllocator::tell_out_of_memory(state);
}
