#pragma once
// Lua's patterns (manual, §6.4.1), compiled once and matched without recursion. Knows bytes, not Lua.
//
// A pattern is a line of items, and only repetitions give a choice, so all there is to remember while matching is one entry
// per repetition on the way: no recursion, and captures never have to be put back. What is wrong with a pattern becomes an
// item too: as in Lua, it is an error only when matching comes to it.
//
// Matching can take very long (".-.-.-x"). Every item tried and every eight bytes looked at are a step; steps are spent in
// strides through `PatternSteps`, which may throw to end it.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::scripting {

class ByteSet {
 public:
  constexpr bool has(std::uint8_t byte) const { return ((words_[byte >> 6] >> (byte & 63)) & 1) != 0; }
  constexpr void add(std::uint8_t byte) { words_[byte >> 6] |= std::uint64_t{1} << (byte & 63); }
  void add(const ByteSet& other);
  void add_range(std::uint8_t low, std::uint8_t high);  // both included; nothing when they lie the other way round
  void invert();
  int size() const;
  std::uint8_t first() const;  // of a set that is not empty

 private:
  std::array<std::uint64_t, 4> words_{};
};

struct PatternItem {
  enum class Op : std::uint8_t {
    end,
    end_anchor,
    literal,
    one,
    optional,
    greedy,
    lazy,
    open,
    close,
    place,
    back,
    balance,
    frontier,
    problem,
  };
  enum class Bytes : std::uint8_t { any, byte, other, set };  // which bytes: `other` is all but one
  static constexpr std::int16_t kAnything = -1;
  static constexpr std::int16_t kTheEnd = 256;

  Op op;
  Bytes bytes = Bytes::any;
  std::uint8_t byte = 0;     // the one byte; what opens a balance
  std::uint8_t number = 0;   // capture; least repetitions; what closes a balance
  std::int16_t next = kAnything;  // the byte that must follow a repetition, or the end
  std::uint32_t start = 0;  // of a literal
  std::uint32_t size = 0;
  const ByteSet* set = nullptr;
  const char* message = nullptr;  // of a problem
};

class Pattern {
 public:
  static constexpr std::size_t kCapturesMax = 32;
  static constexpr std::size_t kChoicesMax = 200;   // repetitions in one pattern
  static constexpr std::size_t kItemsMax = 1000;

  // `anchors`: a leading '^' is an anchor, else the character (string.gmatch).
  explicit Pattern(std::string_view text, bool anchors = true) { compile(text, anchors); }
  Pattern() = default;  // to be compiled later
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  void compile(std::string_view text, bool anchors);

  bool anchored() const { return anchored_; }
  // Has no character with a meaning, as string.find looks at it.
  bool plain() const { return plain_; }
  std::size_t captures() const { return closed_.size(); }
  // Its ')' is there.
  bool closed(std::size_t capture) const { return closed_[capture]; }

 private:
  friend class PatternMatch;
  friend class PatternReader;

  std::vector<PatternItem> items_;
  std::vector<ByteSet> sets_;
  std::string literals_;
  std::vector<bool> closed_;
  const PatternItem* first_ = nullptr;  // what every match begins with, if that is known
  bool anchored_ = false;
  bool plain_ = false;
};

// Who is asked for steps. `spend` may throw.
class PatternSteps {
 public:
  virtual void spend(std::uint64_t steps) = 0;

 protected:
  ~PatternSteps() = default;
};

// Matches one pattern against one subject; both must outlive it.
class PatternMatch {
 public:
  enum class Found : std::uint8_t { yes, no, problem };

  PatternMatch(const Pattern& pattern, std::string_view subject, PatternSteps& steps);
  PatternMatch(const PatternMatch&) = delete;
  PatternMatch& operator=(const PatternMatch&) = delete;

  // The first match that begins at `from` or later, at `from` alone if the pattern is anchored.
  Found search(std::size_t from);
  const char* problem() const { return problem_; }

  std::size_t start() const { return static_cast<std::size_t>(match_start_ - begin_); }
  std::size_t end() const { return static_cast<std::size_t>(match_end_ - begin_); }
  std::string_view whole() const { return {match_start_, match_end_}; }
  // A position capture, "()", whose place is 1 more than that of its empty text.
  bool is_place(std::size_t capture) const { return captures_[capture].end == nullptr; }
  std::string_view text(std::size_t capture) const { return {captures_[capture].start, captures_[capture].end}; }
  std::size_t place(std::size_t capture) const { return static_cast<std::size_t>(captures_[capture].start - begin_) + 1; }

  // Steps not spent yet, for the caller to charge.
  std::uint64_t steps() const { return steps_; }

 private:
  struct Capture {
    const char* start;
    const char* end;  // null: a position
  };
  struct Choice {
    const PatternItem* item;
    const char* at;   // where the rest of the pattern was tried last
    const char* low;  // greedy: no further back
  };

  bool matches_at(const char* at);
  const char* skip(const char* at);
  const char* step(const PatternItem& item, const char* at);
  const char* literal(const PatternItem& item, const char* at);
  const char* greedy(const PatternItem& item, const char* at);
  const char* lazy(const PatternItem& item, const char* at);
  const char* forward(const PatternItem& item, const char* at);
  const char* backward(const PatternItem& item, const char* at, const char* low);
  const char* retry(const PatternItem*& item);
  const char* span(const PatternItem& item, const char* at);
  const char* balance(const PatternItem& item, const char* at);
  const char* back(const PatternItem& item, const char* at);
  bool frontier(const PatternItem& item, const char* at) const;
  void spend_stride();

  const Pattern& pattern_;
  PatternSteps& budget_;
  const char* begin_;
  const char* finish_;
  const char* match_start_ = nullptr;
  const char* match_end_ = nullptr;
  const char* problem_ = nullptr;
  std::uint64_t steps_ = 0;
  std::size_t choices_made_ = 0;
  std::array<Capture, Pattern::kCapturesMax> captures_;
  std::array<Choice, Pattern::kChoicesMax> choices_;
};

// The first place at or after `from` where `needle` is; npos if there is none.
std::size_t find_plain(std::string_view subject, std::string_view needle, std::size_t from);

}  // namespace penstock::scripting
