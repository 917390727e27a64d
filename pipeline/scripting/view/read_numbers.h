#pragma once
// The numbers that a script has read from its event, as they were written there: so that one which it puts elsewhere keeps its
// digits, be it 1.10, 1e2, thirty digits, or 1e400. What a script computes anew is written in the shortest form.
//
// Integers of 64 bits are not in here: a Lua integer is exact. The last 64 floats are remembered, and each text that stands
// for a number no double holds. The views must live as long as the event. Not thread-safe.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace penstock::scripting {

class ReadNumbers {
 public:
  void clear() {
    count_ = 0;
    texts_.clear();
  }

  void add(double number, std::string_view raw) { floats_[count_++ % floats_.size()] = {number, raw}; }
  // Of a number that the script sees as this text.
  void add_text(std::string_view raw) {
    if (texts_.size() < kTextsMax && !is_text(raw)) texts_.push_back(raw);
  }

  // As it was written, or an empty view.
  std::string_view find(double number) const {
    const auto bits = std::bit_cast<std::uint64_t>(number);
    const std::size_t known = count_ < floats_.size() ? count_ : floats_.size();
    for (std::size_t i = 1; i <= known; ++i) {
      const Read& read = floats_[(count_ - i) % floats_.size()];
      if (std::bit_cast<std::uint64_t>(read.number) == bits) return read.raw;
    }
    return {};
  }
  bool is_text(std::string_view text) const {
    for (const std::string_view known : texts_)
      if (known == text) return true;
    return false;
  }

 private:
  static constexpr std::size_t kTextsMax = 64;
  struct Read {
    double number;
    std::string_view raw;
  };
  std::array<Read, 64> floats_{};
  std::size_t count_ = 0;
  std::vector<std::string_view> texts_;
};

}  // namespace penstock::scripting
