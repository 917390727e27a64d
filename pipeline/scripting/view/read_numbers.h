#pragma once
// The numbers that a script has read from its event, as they were written there: so that one which it puts elsewhere keeps its
// digits, be it 1.10, 1e2, thirty digits, or 1e400. What a script computes anew is written in the shortest form, unless it is a float
// that equals one it has read: the two cannot be told apart, and to keep the digits of what is moved is worth more than those of
// what happens to be computed. So after reading 9007199254740993.0 the float 2.0^53 is written like this; an integer, which is
// what whole numbers without a point are, never takes the digits of anything.
//
// Integers of 64 bits are not in here: a Lua integer is exact. Of one event up to 65536 different floats are remembered, and 256
// texts that stand for numbers no double holds. The views must live as long as the event. Not thread-safe.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::scripting {

class ReadNumbers {
 public:
  // Forgets all, for the next event.
  void clear() {
    ++event_;
    count_ = 0;
    texts_.clear();
    if (slots_.size() > kKept) [[unlikely]]
      slots_ = std::vector<Slot>(kSmall);
  }

  void add(double number, std::string_view raw) {
    if ((count_ + 1) * 2 > slots_.size()) [[unlikely]] {
      if (slots_.size() >= 2 * kNumbersMax) return;
      grow();
    }
    Slot& slot = slot_of(std::bit_cast<std::uint64_t>(number));
    if (slot.event != event_) ++count_;
    slot = {std::bit_cast<std::uint64_t>(number), event_, raw};
  }
  // Of a number that the script sees as this text.
  void add_text(std::string_view raw) {
    if (texts_.size() < kTextsMax && !is_text(raw)) texts_.push_back(raw);
  }

  // As it was written, last, or an empty view.
  std::string_view find(double number) const {
    if (count_ == 0) return {};
    const Slot& slot = slot_of(std::bit_cast<std::uint64_t>(number));
    return slot.event == event_ ? slot.raw : std::string_view();
  }
  bool is_text(std::string_view text) const {
    for (const std::string_view known : texts_)
      if (known == text) return true;
    return false;
  }

 private:
  static constexpr std::size_t kSmall = 128;
  static constexpr std::size_t kKept = 8192;
  static constexpr std::size_t kNumbersMax = 65536;
  static constexpr std::size_t kTextsMax = 256;

  // Belongs to the event that it names; to be taken anew otherwise.
  struct Slot {
    std::uint64_t bits = 0;
    std::uint64_t event = 0;
    std::string_view raw;
  };

  // The number's own, or the free one where it goes. Never more than half of them are taken.
  const Slot& slot_of(std::uint64_t bits) const {
    std::size_t at = (bits * 0x9E3779B97F4A7C15ULL) >> 32;
    for (;; ++at) {
      const Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.event != event_ || slot.bits == bits) return slot;
    }
  }
  Slot& slot_of(std::uint64_t bits) { return const_cast<Slot&>(std::as_const(*this).slot_of(bits)); }

  void grow() {
    std::vector<Slot> taken(slots_.empty() ? kSmall : slots_.size() * 2);
    taken.swap(slots_);
    for (const Slot& slot : taken)
      if (slot.event == event_) slot_of(slot.bits) = slot;
  }

  std::uint64_t event_ = 1;
  std::size_t count_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::string_view> texts_;
};

}  // namespace penstock::scripting
