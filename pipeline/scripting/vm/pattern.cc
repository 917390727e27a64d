// From text to items. The matching is in pattern_match.cc.

#include "pipeline/scripting/vm/pattern.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace penstock::scripting {
namespace {

using Op = PatternItem::Op;
using Bytes = PatternItem::Bytes;

// 'z', the NUL, is Lua 5.1's: the manual no longer names it and Lua still knows it.
constexpr std::string_view kClassLetters = "acdglpsuwxz";

constexpr bool is_between(std::uint8_t byte, char low, char high) {
  return byte >= static_cast<std::uint8_t>(low) && byte <= static_cast<std::uint8_t>(high);
}

// As the C locale has it, whatever the locale of the process.
constexpr bool is_in_class(std::uint8_t byte, char letter) {
  const bool upper = is_between(byte, 'A', 'Z');
  const bool lower = is_between(byte, 'a', 'z');
  const bool digit = is_between(byte, '0', '9');
  const bool printable = is_between(byte, '!', '~');
  switch (letter) {
    case 'a': return upper || lower;
    case 'c': return byte < ' ' || byte == 127;
    case 'd': return digit;
    case 'g': return printable;
    case 'l': return lower;
    case 'p': return printable && !upper && !lower && !digit;
    case 's': return byte == ' ' || is_between(byte, '\t', '\r');
    case 'u': return upper;
    case 'w': return upper || lower || digit;
    case 'x': return digit || is_between(byte, 'a', 'f') || is_between(byte, 'A', 'F');
    case 'z': return byte == 0;
    default: return false;
  }
}

// For each class letter its set and the set of the capital letter.
constexpr auto make_classes() {
  std::array<std::array<ByteSet, 2>, kClassLetters.size()> classes;
  for (std::size_t i = 0; i < kClassLetters.size(); ++i)
    for (int byte = 0; byte < 256; ++byte)
      classes[i][is_in_class(static_cast<std::uint8_t>(byte), kClassLetters[i]) ? 0 : 1].add(
          static_cast<std::uint8_t>(byte));
  return classes;
}
constexpr auto kClasses = make_classes();

// Null: `letter` is no class, so an escaped character.
const ByteSet* class_of(char letter) {
  const bool capital = is_between(static_cast<std::uint8_t>(letter), 'A', 'Z');
  const std::size_t i = kClassLetters.find(capital ? static_cast<char>(letter - 'A' + 'a') : letter);
  return i == std::string_view::npos ? nullptr : &kClasses[i][capital ? 1 : 0];
}

std::uint8_t byte_of(char c) { return static_cast<std::uint8_t>(c); }

}  // namespace

void ByteSet::add(const ByteSet& other) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

// Word by word: a pattern may name millions of ranges.
void ByteSet::add_range(std::uint8_t low, std::uint8_t high) {
  for (unsigned i = low / 64u; low <= high && i <= high / 64u; ++i) {
    const unsigned first = i == low / 64u ? low % 64u : 0;
    const unsigned last = i == high / 64u ? high % 64u : 63;
    words_[i] |= (~std::uint64_t{0} >> (63 - last)) & (~std::uint64_t{0} << first);
  }
}

void ByteSet::invert() {
  for (auto& word : words_) word = ~word;
}

int ByteSet::size() const {
  int count = 0;
  for (const auto word : words_) count += std::popcount(word);
  return count;
}

std::uint8_t ByteSet::first() const {
  std::size_t i = 0;
  while (words_[i] == 0) ++i;
  return static_cast<std::uint8_t>(i * 64 + static_cast<std::size_t>(std::countr_zero(words_[i])));
}

// Reads the text of one pattern. Stops at the first problem, for nothing behind it can be reached.
class PatternReader {
 public:
  PatternReader(Pattern& pattern, std::string_view text, std::size_t from) : pattern_(pattern), text_(text), at_(from) {}

  void read_items() {
    while (at_ < text_.size() && !stopped_) {
      if (pattern_.items_.size() >= Pattern::kItemsMax) stop("pattern too complex");
      else read_item();
    }
    if (!stopped_) push({.op = Op::end});
  }

 private:
  void push(PatternItem item) { pattern_.items_.push_back(item); }

  void stop(const char* message) {
    push({.op = Op::problem, .message = message});
    stopped_ = true;
  }

  bool sees(std::size_t place, char c) const { return place < text_.size() && text_[place] == c; }

  void read_item() {
    switch (text_[at_]) {
      case '(': return read_open();
      case ')': return read_close();
      case '%': return read_escape();
      case '$':
        if (at_ + 1 < text_.size()) return read_bytes();
        ++at_;
        return push({.op = Op::end_anchor});
      default: return read_bytes();
    }
  }

  void read_open() {
    const std::size_t capture = pattern_.closed_.size();
    if (capture == Pattern::kCapturesMax) return stop("too many captures");
    const bool place = sees(at_ + 1, ')');
    pattern_.closed_.push_back(place);
    push({.op = place ? Op::place : Op::open, .number = static_cast<std::uint8_t>(capture)});
    at_ += place ? 2 : 1;
  }

  void read_close() {
    auto& closed = pattern_.closed_;
    std::size_t capture = closed.size();
    while (capture > 0 && closed[capture - 1]) --capture;
    if (capture == 0) return stop("invalid pattern capture");
    closed[capture - 1] = true;
    push({.op = Op::close, .number = static_cast<std::uint8_t>(capture - 1)});
    ++at_;
  }

  void read_escape() {
    const char what = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (what == 'b') return read_balance();
    if (what == 'f') return read_frontier();
    if (what >= '0' && what <= '9') return read_back(what);
    read_bytes();
  }

  void read_balance() {
    if (at_ + 3 >= text_.size()) return stop("malformed pattern (missing arguments to '%b')");
    push({.op = Op::balance, .byte = byte_of(text_[at_ + 2]), .number = byte_of(text_[at_ + 3])});
    at_ += 4;
  }

  void read_frontier() {
    at_ += 2;
    if (!sees(at_, '[')) return stop("missing '[' after '%f' in pattern");
    const ByteSet* set = read_set();
    if (set != nullptr) push({.op = Op::frontier, .set = set});
  }

  void read_back(char digit) {
    static constexpr std::array<const char*, 10> kInvalid = {
        "invalid capture index %0", "invalid capture index %1", "invalid capture index %2", "invalid capture index %3",
        "invalid capture index %4", "invalid capture index %5", "invalid capture index %6", "invalid capture index %7",
        "invalid capture index %8", "invalid capture index %9"};
    const auto number = static_cast<std::size_t>(digit - '0');
    if (number == 0 || number > pattern_.closed_.size() || !pattern_.closed_[number - 1]) return stop(kInvalid[number]);
    push({.op = Op::back, .number = static_cast<std::uint8_t>(number - 1)});
    at_ += 2;
  }

  // A character, a class or a set, and how often.
  void read_bytes() {
    const auto item = read_one();
    if (!item) return;
    if (at_ < text_.size() && std::string_view("?*+-").find(text_[at_]) != std::string_view::npos) return repeat(*item);
    if (item->bytes == Bytes::byte) return add_to_literal(item->byte);
    push(*item);
  }

  void repeat(PatternItem item) {
    const char how = text_[at_++];
    if (++choices_ > Pattern::kChoicesMax) return stop("pattern too complex");
    item.op = how == '?' ? Op::optional : how == '-' ? Op::lazy : Op::greedy;
    item.number = how == '+' ? 1 : 0;
    push(item);
  }

  void add_to_literal(std::uint8_t byte) {
    auto& literals = pattern_.literals_;
    if (pattern_.items_.empty() || pattern_.items_.back().op != Op::literal)
      push({.op = Op::literal, .byte = byte, .start = static_cast<std::uint32_t>(literals.size())});
    literals += static_cast<char>(byte);
    ++pattern_.items_.back().size;
  }

  std::optional<PatternItem> read_one() {
    PatternItem item{.op = Op::one};
    const char c = text_[at_];
    if (c == '[') {
      const ByteSet* set = read_set();
      if (set == nullptr) return std::nullopt;
      use_set(item, set);
      return item;
    }
    if (c == '.') {
      ++at_;
      return item;
    }
    item.bytes = Bytes::byte;
    item.byte = byte_of(c);
    if (c == '%') {
      if (++at_ == text_.size()) return stop("malformed pattern (ends with '%')"), std::nullopt;
      item.byte = byte_of(text_[at_]);
      if (const ByteSet* set = class_of(text_[at_])) use_set(item, set);
    }
    ++at_;
    return item;
  }

  // A set of one byte, and of all but one, have quicker ways.
  static void use_set(PatternItem& item, const ByteSet* set) {
    const int size = set->size();
    ByteSet rest = *set;
    rest.invert();
    item.set = set;
    item.bytes = size == 1 ? Bytes::byte : size == 255 ? Bytes::other : Bytes::set;
    if (item.bytes != Bytes::set) item.byte = (size == 1 ? *set : rest).first();
  }

  // "[…]"; null after a problem.
  const ByteSet* read_set() {
    const bool inverted = sees(++at_, '^');
    if (inverted) ++at_;
    const std::size_t end = end_of_set(at_);
    if (end == std::string_view::npos) return stop("malformed pattern (missing ']')"), nullptr;
    ByteSet set;
    while (at_ < end) read_member(set, end);
    at_ = end + 1;
    if (inverted) set.invert();
    pattern_.sets_.push_back(set);
    return &pattern_.sets_.back();
  }

  // Its ']'. One in the first place, or after a '%', is a character of the set.
  std::size_t end_of_set(std::size_t at) const {
    do at += at < text_.size() && text_[at] == '%' ? 2 : 1;
    while (at < text_.size() && text_[at] != ']');
    return at < text_.size() ? at : std::string_view::npos;
  }

  void read_member(ByteSet& set, std::size_t end) {
    const char c = text_[at_];
    if (c == '%') {  // even the closing ']', which only a range with a '%' can bring here; Lua does so
      const char escaped = text_[at_ + 1];
      at_ += 2;
      if (const ByteSet* known = class_of(escaped)) set.add(*known);
      else set.add(byte_of(escaped));
      return;
    }
    const bool range = at_ + 2 < end && text_[at_ + 1] == '-';
    const char last = range ? text_[at_ + 2] : c;
    set.add_range(byte_of(c), byte_of(last));
    at_ += range ? 3 : 1;
  }

  Pattern& pattern_;
  std::string_view text_;
  std::size_t at_;
  std::size_t choices_ = 0;
  bool stopped_ = false;
};

namespace {

bool takes_nothing(const PatternItem& item) { return item.op == Op::open || item.op == Op::close || item.op == Op::place; }

// What must stand behind a repetition saves trying the rest of the pattern at every place.
std::int16_t what_follows(const std::vector<PatternItem>& items, std::size_t i) {
  do ++i;
  while (takes_nothing(items[i]));
  if (items[i].op == Op::literal) return items[i].byte;
  return items[i].op == Op::end_anchor ? PatternItem::kTheEnd : PatternItem::kAnything;
}

bool must_begin(const PatternItem& item) {
  return item.op == Op::literal || item.op == Op::one || (item.op == Op::greedy && item.number > 0);
}

}  // namespace

void Pattern::compile(std::string_view text, bool anchors) {
  items_.clear();
  sets_.clear();
  literals_.clear();
  closed_.clear();
  first_ = nullptr;
  anchored_ = anchors && text.starts_with('^');
  plain_ = text.find_first_of("^$*+?.([%-") == std::string_view::npos;
  // Items point at sets: these must not move.
  sets_.reserve(std::min(static_cast<std::size_t>(std::ranges::count(text, '[')), kItemsMax));
  PatternReader(*this, text, anchored_ ? 1 : 0).read_items();
  for (std::size_t i = 0; i < items_.size(); ++i)
    if (items_[i].op == Op::greedy || items_[i].op == Op::lazy) items_[i].next = what_follows(items_, i);
  const PatternItem* first = items_.data();
  while (takes_nothing(*first)) ++first;
  if (!anchored_ && must_begin(*first)) first_ = first;
}

}  // namespace penstock::scripting
