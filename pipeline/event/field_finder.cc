#include "pipeline/event/field_finder.h"

#include <array>

#include "pipeline/event/json.h"
#include "pipeline/event/json_blocks.h"
#include "pipeline/event/json_grammar.h"
#include "pipeline/event/json_scan.h"

namespace penstock::json {

// The whole object 64 bytes at a time: brackets tell the depth, and a colon after the last byte of a wanted key and a quote may be
// behind that key. What it cannot be sure of it leaves to the walk from member to member: escapes, white space before a colon, and
// whatever does not hold together. Of events of 520 bytes, a field of `properties`: 0.24 µs instead of 0.38. The top alone is walked
// over faster than it is scanned, for `properties` is stepped over.
class FieldFinder::Scan {
 public:
  explicit Scan(FieldFinder& finder) : finder_(finder), text_(finder.text_) {}

  bool run() {
    finder_.reset(0, Place::absent);
    Blocks blocks(text_, 0);
    BlockBits bits;
    bool in_string = false;
    while (blocks.next(bits)) {
      if (bits.backslashes != 0) return false;
      const std::uint64_t strings = between_quotes(bits.quotes) ^ (in_string ? ~std::uint64_t{0} : 0);
      in_string = (strings >> (kBlock - 1)) != 0;
      const std::uint64_t colons = bits.colons & ~strings;
      const std::uint64_t after_quotes = bits.quotes << 1 | quote_before_;
      if ((colons & ~after_quotes) != 0) return false;
      const std::uint64_t ends = key_ends(blocks);
      const std::uint64_t keys = colons & (ends << 2 | ends_before_);
      quote_before_ = bits.quotes >> (kBlock - 1);
      ends_before_ = ends >> (kBlock - 2);
      if (!take(blocks.start(), bits.openers & ~strings, bits.closers & ~strings, keys)) return false;
    }
    return ended_;
  }

 private:
  static constexpr std::size_t kNoDepth = ~std::size_t{0};
  static constexpr std::size_t kOpenMax = 8;

  // A container on the way to a field, or that is one.
  struct Open {
    std::size_t step = 0;
    std::size_t start = 0;
    std::size_t depth = 0;
  };

  std::uint64_t key_ends(const Blocks& blocks) const {
    std::uint64_t ends = 0;
    for (const char end : finder_.key_ends_) ends |= blocks.bits_of(end);
    return ends;
  }

  bool take(std::size_t start, std::uint64_t openers, std::uint64_t closers, std::uint64_t keys) {
    for (std::uint64_t marks = openers | closers | keys; marks != 0; marks &= marks - 1) {
      const int place = std::countr_zero(marks);
      const std::size_t at = start + static_cast<std::size_t>(place);
      const auto is_in = [&](std::uint64_t bits) { return ((bits >> place) & 1) != 0; };
      if (!(is_in(openers) ? opened(at) : is_in(closers) ? closed(at) : colon(at))) return false;
    }
    return true;
  }

  bool opened(std::size_t at) {
    if (ended_) return false;
    ++depth_;
    if (depth_ == 1 ? at != 0 || text_[0] != '{' : at != value_at_) return depth_ > 1;
    if (open_count_ == kOpenMax) return false;
    open_[open_count_++] = {wanted_, at, depth_};
    const bool enters = text_[at] == '{' && finder_.steps_[wanted_].child != 0;
    if (enters) finder_.reset(wanted_, Place::absent);
    keys_at_ = enters ? depth_ : kNoDepth;
    return true;
  }

  bool closed(std::size_t at) {
    if (depth_ == 0) return false;
    if (const Open& last = open_[open_count_ - 1]; last.depth == depth_) {
      finder_.steps_[last.step].field = {Place::present, text_.substr(last.start, at + 1 - last.start)};
      --open_count_;
      keys_at_ = open_count_ == 0 ? kNoDepth : open_[open_count_ - 1].depth;
    }
    ended_ = --depth_ == 0;
    return !ended_ || at + 1 == text_.size();
  }

  bool colon(std::size_t at) {
    if (depth_ != keys_at_) return true;
    const std::size_t step = key_before(at);
    if (step == 0) return true;
    const std::size_t start = skip_space(text_, at + 1);
    finder_.reset(step, Place::nowhere);
    if (start < text_.size() && (text_[start] == '{' || text_[start] == '[')) {
      wanted_ = step;
      value_at_ = start;
      return true;
    }
    const std::size_t end = find_value_end(text_, start);
    if (end == kNotFound) return false;
    finder_.steps_[step].field = {Place::present, text_.substr(start, end - start)};
    return true;
  }

  // The step whose key ends before this colon, or 0.
  std::size_t key_before(std::size_t at) const {
    const auto& steps = finder_.steps_;
    std::size_t step = steps[open_[open_count_ - 1].step].child;
    for (; step != 0; step = steps[step].sibling) {
      const std::string_view key = steps[step].key;
      if (at >= key.size() + 2 && text_[at - key.size() - 2] == '"' && text_.substr(at - key.size() - 1, key.size()) == key)
        break;
    }
    return step;
  }

  FieldFinder& finder_;
  std::string_view text_;
  std::array<Open, kOpenMax> open_;  // the innermost last
  std::size_t open_count_ = 0;
  std::size_t depth_ = 0;
  std::size_t keys_at_ = kNoDepth;  // the depth at which keys are compared
  std::size_t wanted_ = 0;
  std::size_t value_at_ = 0;  // where the container begins that is the value of `wanted_`
  bool ended_ = false;
  std::uint64_t quote_before_ = 0;  // carried into the next block: a quote as its last byte
  std::uint64_t ends_before_ = 0;  // and the end of a key as one of its last two
};

std::size_t FieldFinder::want(const std::vector<std::string>& path) {
  std::size_t step = 0;
  for (const std::string& key : path) {
    nested_ |= step != 0;
    plain_ &= !key.empty() && !key.contains('"');
    if (plain_ && !key_ends_.contains(key.back())) key_ends_.push_back(key.back());
    std::size_t next = step_named(step, key);
    if (next == 0) {
      next = steps_.size();
      steps_.push_back({.key = key, .child = 0, .sibling = steps_[step].child, .field = {}});
      steps_[step].child = next;
    }
    step = next;
  }
  return step;
}

std::size_t FieldFinder::step_named(std::size_t parent, std::string_view key) const {
  std::size_t step = steps_[parent].child;
  while (step != 0 && steps_[step].key != key) step = steps_[step].sibling;
  return step;
}

bool FieldFinder::find(std::string_view object) {
  text_ = trim(object);
  if (nested_ && plain_ && Scan(*this).run()) return true;
  at_ = 0;
  return walk(0) && at_ == text_.size();
}

// What is below the step: its children are in this state, and whatever is below them is nowhere.
void FieldFinder::reset(std::size_t step, Place place) {
  for (std::size_t child = steps_[step].child; child != 0; child = steps_[child].sibling) {
    steps_[child].field.place = place;
    reset(child, Place::nowhere);
  }
}

bool FieldFinder::take(char wanted) {
  if (at_ >= text_.size() || text_[at_] != wanted) return false;
  ++at_;
  return true;
}

// Over an object, which begins here, with the fields below the step in it. Only as deep as somebody wants a field.
bool FieldFinder::walk(std::size_t step) {
  reset(step, Place::absent);
  if (!take('{')) return false;
  at_ = skip_space(text_, at_);
  if (take('}')) return true;
  std::string_view key;
  do {
    at_ = skip_space(text_, at_);
    if (!read_key(key) || !read_value(step_named(step, key))) return false;
    at_ = skip_space(text_, at_);
  } while (take(','));
  return take('}');
}

bool FieldFinder::read_key(std::string_view& key) {
  if (!take('"')) return false;
  const StringEnd end = find_string_end(text_, at_);
  if (end.quote == kNotFound) return false;
  key = text_.substr(at_, end.quote - at_);
  if (end.escaped) key = unescape(text_.substr(at_ - 1, key.size() + 2), scratch_);
  at_ = skip_space(text_, end.quote + 1);
  if (!take(':')) return false;
  at_ = skip_space(text_, at_);
  return true;
}

// The value of a key; `step` is 0 when nobody wants it.
bool FieldFinder::read_value(std::size_t step) {
  const std::size_t start = at_;
  if (step != 0 && steps_[step].child != 0) {
    if (at_ < text_.size() && text_[at_] == '{') {
      if (!walk(step)) return false;
      steps_[step].field = {Place::present, text_.substr(start, at_ - start)};
      return true;
    }
    reset(step, Place::nowhere);
  }
  const std::size_t end = find_value_end(text_, start);
  if (end == kNotFound) return false;
  at_ = end;
  if (step != 0) steps_[step].field = {Place::present, text_.substr(start, end - start)};
  return true;
}

}  // namespace penstock::json
