#pragma once
// Texts numbered in the order of their first appearance. Reused from chunk to chunk; not thread-safe.
//
// Anyone who can choose event names or distinct ids can make their hashes collide, so the search gives up after a few
// steps: such a text is numbered again, which costs space in one chunk and no time anywhere.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

class Dictionary {
 public:
  struct Place {
    std::uint32_t number = 0;
    bool is_new = false;
  };

  Place add(std::string_view text);

  std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  std::string_view operator[](std::uint32_t number) const {
    const Entry& entry = entries_[number];
    return std::string_view(text_).substr(entry.start, entry.size);
  }
  std::size_t text_bytes() const { return text_.size(); }
  void clear();

 private:
  struct Entry {
    std::uint64_t hash;
    std::size_t start;
    std::size_t size;
  };

  void grow();

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // number + 1; 0 is free; a power of two of them
};

}  // namespace penstock
