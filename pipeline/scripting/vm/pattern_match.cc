// Items against bytes. See pattern.h.

#include <cstring>

#include "pipeline/scripting/vm/pattern.h"

namespace penstock::scripting {
namespace {

using Op = PatternItem::Op;
using Bytes = PatternItem::Bytes;

constexpr std::ptrdiff_t kBalancedBytesPerStep = 4;  // of %b, which looks at each byte twice
constexpr std::uint64_t kStride = 2048;
constexpr std::ptrdiff_t kBytesPerStep = 8;
constexpr std::ptrdiff_t kBytesPerStepOfText = 2;  // where a long text nearly is everywhere, memmem takes 2 ns a byte

bool has(const PatternItem& item, char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  switch (item.bytes) {
    case Bytes::any: return true;
    case Bytes::byte: return byte == item.byte;
    case Bytes::other: return byte != item.byte;
    case Bytes::set: break;
  }
  return item.set->has(byte);
}

const char* find_byte(const char* from, const char* to, std::uint8_t byte) {
  if (from == to) return nullptr;
  return static_cast<const char*>(std::memchr(from, byte, static_cast<std::size_t>(to - from)));
}

}  // namespace

PatternMatch::PatternMatch(const Pattern& pattern, std::string_view subject, PatternSteps& steps)
    : pattern_(pattern), budget_(steps), begin_(subject.data()), finish_(subject.data() + subject.size()) {}

PatternMatch::Found PatternMatch::search(std::size_t from) {
  const char* at = begin_ + from;
  for (;;) {
    if (pattern_.first_ != nullptr) at = skip(at);
    if (at == nullptr) return Found::no;
    if (matches_at(at)) return Found::yes;
    if (problem_ != nullptr) return Found::problem;
    if (pattern_.anchored_ || at == finish_) return Found::no;
    ++at;
  }
}

// To where the first item can match; null when there is no such place.
const char* PatternMatch::skip(const char* at) {
  const PatternItem& item = *pattern_.first_;
  const char* found = nullptr;
  std::ptrdiff_t bytes_per_step = kBytesPerStep;
  if (item.op == Op::literal && item.size > 1) {
    const std::string_view needle(pattern_.literals_.data() + item.start, item.size);
    const std::size_t place = find_plain({begin_, finish_}, needle, static_cast<std::size_t>(at - begin_));
    if (place != std::string_view::npos) found = begin_ + place;
    bytes_per_step = kBytesPerStepOfText;
  } else if (item.op == Op::literal || item.bytes == Bytes::byte) {
    found = find_byte(at, finish_, item.byte);
  } else {
    for (found = at; found != finish_ && !has(item, *found);) ++found;
    if (found == finish_) found = nullptr;
  }
  steps_ += static_cast<std::uint64_t>(((found != nullptr ? found : finish_) - at) / bytes_per_step);
  return found;
}

bool PatternMatch::matches_at(const char* start) {
  const PatternItem* item = pattern_.items_.data();
  const char* at = start;
  choices_made_ = 0;
  if (++steps_ >= kStride) spend_stride();
  for (;;) {
    if (item->op == Op::end) {
      match_start_ = start;
      match_end_ = at;
      return true;
    }
    at = step(*item, at);
    ++item;
    ++steps_;
    if (at != nullptr) continue;
    if (problem_ != nullptr) return false;
    at = retry(item);
    if (at == nullptr) return false;
  }
}

// The place behind what the item took, or null when it does not match.
inline const char* PatternMatch::step(const PatternItem& item, const char* at) {
  switch (item.op) {
    case Op::literal: return literal(item, at);
    case Op::one: return at != finish_ && has(item, *at) ? at + 1 : nullptr;
    case Op::greedy: return greedy(item, at);
    case Op::lazy: return lazy(item, at);
    case Op::optional:
      if (at == finish_ || !has(item, *at)) return at;
      choices_[choices_made_++] = {&item, at + 1, at};
      return at + 1;
    case Op::open: captures_[item.number].start = at; return at;
    case Op::close: captures_[item.number].end = at; return at;
    case Op::place: captures_[item.number] = {at, nullptr}; return at;
    case Op::end_anchor: return at == finish_ ? at : nullptr;
    case Op::back: return back(item, at);
    case Op::balance: return balance(item, at);
    case Op::frontier: return frontier(item, at) ? at : nullptr;
    case Op::problem: problem_ = item.message; return nullptr;
    case Op::end: break;
  }
  return at;
}

inline const char* PatternMatch::literal(const PatternItem& item, const char* at) {
  if (static_cast<std::size_t>(finish_ - at) < item.size) return nullptr;
  steps_ += item.size / static_cast<std::uint32_t>(kBytesPerStep);
  if (static_cast<std::uint8_t>(*at) != item.byte) return nullptr;
  if (item.size > 1 && std::memcmp(at, pattern_.literals_.data() + item.start, item.size) != 0) return nullptr;
  return at + item.size;
}

const char* PatternMatch::greedy(const PatternItem& item, const char* at) {
  const char* high = span(item, at);
  const char* low = at + item.number;
  if (high < low) return nullptr;
  if (item.next == PatternItem::kTheEnd) return high == finish_ ? high : nullptr;
  high = backward(item, high, low);
  if (high != nullptr && high != low) choices_[choices_made_++] = {&item, high, low};
  return high;
}

// The last place from `at` down to `low` where the rest may match.
inline const char* PatternMatch::backward(const PatternItem& item, const char* at, const char* low) {
  if (item.next == PatternItem::kAnything) return at;
  if (at == finish_) {
    if (at == low) return nullptr;
    --at;
  }
  const auto size = static_cast<std::size_t>(at - low) + 1;
  const auto* found = static_cast<const char*>(memrchr(low, item.next, size));
  steps_ += static_cast<std::uint64_t>((at - (found != nullptr ? found : low)) / kBytesPerStep);
  return found;
}

const char* PatternMatch::lazy(const PatternItem& item, const char* at) {
  at = forward(item, at);
  if (at != nullptr) choices_[choices_made_++] = {&item, at, at};
  return at;
}

// The first place from `at` on where the rest may match, with only bytes of the item before it.
inline const char* PatternMatch::forward(const PatternItem& item, const char* at) {
  if (item.next == PatternItem::kAnything) return at;
  const char* const from = at;
  if (item.next == PatternItem::kTheEnd) {
    at = span(item, at);
    return at == finish_ ? at : nullptr;
  }
  const auto next = static_cast<std::uint8_t>(item.next);
  const char* found = nullptr;
  if (item.bytes == Bytes::any) {
    found = find_byte(at, finish_, next);
  } else {
    while (at != finish_ && static_cast<std::uint8_t>(*at) != next && has(item, *at)) ++at;
    if (at != finish_ && static_cast<std::uint8_t>(*at) == next) found = at;
  }
  steps_ += static_cast<std::uint64_t>(((found != nullptr ? found : finish_) - from) / kBytesPerStep);
  return found;
}

// Goes back to the last choice that has another way; `item` is then the one that follows it. Null: there is none.
const char* PatternMatch::retry(const PatternItem*& item) {
  while (choices_made_ > 0) {
    if (++steps_ >= kStride) spend_stride();
    Choice& choice = choices_[choices_made_ - 1];
    const PatternItem& repeated = *choice.item;
    const char* at = nullptr;
    if (repeated.op == Op::lazy) {
      if (choice.at != finish_ && has(repeated, *choice.at)) at = forward(repeated, choice.at + 1);
    } else if (choice.at != choice.low) {
      at = backward(repeated, choice.at - 1, choice.low);
    }
    if (at == nullptr) {
      --choices_made_;
      continue;
    }
    choice.at = at;
    item = &repeated + 1;
    return at;
  }
  return nullptr;
}

// Over all bytes that belong to the item.
inline const char* PatternMatch::span(const PatternItem& item, const char* at) {
  const char* const from = at;
  switch (item.bytes) {
    case Bytes::any: return finish_;
    case Bytes::byte:
      while (at != finish_ && static_cast<std::uint8_t>(*at) == item.byte) ++at;
      break;
    case Bytes::other: {
      const char* found = find_byte(at, finish_, item.byte);
      at = found != nullptr ? found : finish_;
      break;
    }
    case Bytes::set: {
      const ByteSet& set = *item.set;
      while (at != finish_ && set.has(static_cast<std::uint8_t>(*at))) ++at;
      break;
    }
  }
  steps_ += static_cast<std::uint64_t>((at - from) / kBytesPerStep);
  return at;
}

// From an opening byte to the one that closes it; the closing one counts first, so that both may be the same.
const char* PatternMatch::balance(const PatternItem& item, const char* at) {
  if (at == finish_ || static_cast<std::uint8_t>(*at) != item.byte) return nullptr;
  const char* const from = at;
  std::size_t open = 1;
  while (open > 0 && ++at != finish_) {
    const auto byte = static_cast<std::uint8_t>(*at);
    if (byte == item.number) --open;
    else if (byte == item.byte) ++open;
  }
  steps_ += static_cast<std::uint64_t>((at - from) / kBalancedBytesPerStep);
  return open == 0 ? at + 1 : nullptr;
}

const char* PatternMatch::back(const PatternItem& item, const char* at) {
  if (is_place(item.number)) return nullptr;
  const std::string_view again = text(item.number);
  if (static_cast<std::size_t>(finish_ - at) < again.size()) return nullptr;
  steps_ += again.size() / kBytesPerStep;
  return std::memcmp(at, again.data(), again.size()) == 0 ? at + again.size() : nullptr;
}

// The subject counts as having a NUL before its first byte and after its last.
bool PatternMatch::frontier(const PatternItem& item, const char* at) const {
  const auto before = at == begin_ ? std::uint8_t{0} : static_cast<std::uint8_t>(at[-1]);
  const auto after = at == finish_ ? std::uint8_t{0} : static_cast<std::uint8_t>(*at);
  return !item.set->has(before) && item.set->has(after);
}

void PatternMatch::spend_stride() {
  const std::uint64_t steps = steps_;
  steps_ = 0;
  budget_.spend(steps);
}

std::size_t find_plain(std::string_view subject, std::string_view needle, std::size_t from) {
  const char* const at = subject.data() + from;
  const std::size_t size = subject.size() - from;
  const void* found = at;
  if (needle.size() == 1) found = size == 0 ? nullptr : std::memchr(at, static_cast<std::uint8_t>(needle[0]), size);
  else if (!needle.empty()) found = memmem(at, size, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - subject.data());
}

}  // namespace penstock::scripting
