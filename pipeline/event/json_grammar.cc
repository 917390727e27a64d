#include "pipeline/event/json_grammar.h"

#include <vector>

#include <fmt/format.h>

namespace penstock::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 0x20 && byte < 0x7F) return fmt::format("'{}'", c);
  return fmt::format("byte 0x{:02x}", byte);
}

// Walks the text once. Each step returns false after it has noted the problem; nothing is read after that.
class Walk {
 public:
  Walk(std::string_view text, int depth_max) : text_(text), depth_max_(static_cast<std::size_t>(depth_max)) {}

  std::optional<GrammarProblem> run() {
    if (text_.starts_with("\xEF\xBB\xBF")) problem("a byte order mark; send UTF-8 without one");
    else if (skip_space(), at_ == text_.size()) problem("there is nothing but white space");
    else if (document()) return std::nullopt;
    return std::move(problem_);
  }

 private:
  // What may stand next.
  enum class Next { value, value_or_close, key, key_or_close, comma_or_close, end };

  bool document() {
    for (Next next = Next::value; next != Next::end;) {
      if (!step(next)) return false;
      skip_space();
    }
    return at_ == text_.size() || problem("something follows the end of the document");
  }

  bool step(Next& next) {
    skip_space();
    if (at_ == text_.size()) return problem("the text ends too early");
    const char c = text_[at_];
    switch (next) {
      case Next::key_or_close:
        if (c == '}') return close(next);
        [[fallthrough]];
      case Next::key: return member_start(next);
      case Next::value_or_close:
        if (c == ']') return close(next);
        [[fallthrough]];
      case Next::value: return value(next);
      case Next::comma_or_close: return comma_or_close(next);
      case Next::end: break;
    }
    return true;
  }

  bool member_start(Next& next) {
    if (text_[at_] != '"') return problem(fmt::format("expected a key in quotes, found {}", shown(text_[at_])));
    if (!string()) return false;
    skip_space();
    if (at_ == text_.size()) return problem("the text ends too early");
    if (text_[at_] != ':') return problem(fmt::format("expected ':' after a key, found {}", shown(text_[at_])));
    ++at_;
    next = Next::value;
    return true;
  }

  bool value(Next& next) {
    switch (const char c = text_[at_]) {
      case '{': return open(Next::key_or_close, next);
      case '[': return open(Next::value_or_close, next);
      case '"': return string() && after_value(next);
      case 't': return literal("true") && after_value(next);
      case 'f': return literal("false") && after_value(next);
      case 'n': return literal("null") && after_value(next);
      default:
        if (c == '-' || is_digit(c)) return number() && after_value(next);
        return problem(fmt::format("expected a value, found {}", shown(c)));
    }
  }

  bool open(Next inside, Next& next) {
    if (open_.size() == depth_max_) return problem(fmt::format("nested deeper than {} levels", depth_max_));
    open_.push_back(text_[at_++] == '{');
    next = inside;
    return true;
  }

  bool close(Next& next) {
    ++at_;
    open_.pop_back();
    return after_value(next);
  }

  bool after_value(Next& next) {
    next = open_.empty() ? Next::end : Next::comma_or_close;
    return true;
  }

  bool comma_or_close(Next& next) {
    const bool in_object = open_.back();
    const char c = text_[at_];
    if (c == (in_object ? '}' : ']')) return close(next);
    if (c != ',') return problem(fmt::format("expected ',' or '{}', found {}", in_object ? '}' : ']', shown(c)));
    ++at_;
    next = in_object ? Next::key : Next::value;
    return true;
  }

  bool literal(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return problem(fmt::format("expected '{}'", word));
    at_ += word.size();
    return ends_here("a literal");
  }

  // "01", "truex" and "1.2.3" are one wrong word, not a word and a surprise.
  bool ends_here(std::string_view what) {
    if (at_ == text_.size() || is_space(text_[at_])) return true;
    const char c = text_[at_];
    return c == ',' || c == ']' || c == '}' || problem(fmt::format("{} is followed by {}", what, shown(c)));
  }

  bool digits() {
    const auto start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > start || problem("a number needs a digit here");
  }

  bool number() {
    if (text_[at_] == '-') ++at_;
    if (at_ < text_.size() && text_[at_] == '0') {
      ++at_;
      if (at_ < text_.size() && is_digit(text_[at_])) return problem("a number must not start with zero");
    } else if (!digits()) {
      return false;
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return false;
    }
    return ends_here("a number");
  }

  bool string() {
    for (++at_; at_ < text_.size();) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (!escape()) return false;
      } else if (c < 0x20) {
        return problem(fmt::format("a control character (0x{:02x}) in a string must be escaped", c));
      } else {
        const auto length = utf8_sequence_length(text_.substr(at_));
        if (length == 0) return problem(fmt::format("not valid UTF-8 (byte 0x{:02x})", c));
        at_ += length;
      }
    }
    return problem("a string is not closed");
  }

  bool escape() {
    if (at_ + 1 == text_.size()) return problem("a string is not closed");
    const char c = text_[at_ + 1];
    if (c == 'u') return unicode_escape();
    if (escape_length(text_.substr(at_)) == 0) {
      return problem(fmt::format("no such escape: a backslash and {}", shown(c)));
    }
    at_ += 2;
    return true;
  }

  bool unicode_escape() {
    const int unit = hex4(text_.substr(at_ + 2));
    if (unit < 0) return problem("\\u needs four hex digits");
    const bool paired =
        is_high_surrogate(unit) && text_.substr(at_ + 6).starts_with("\\u") && is_low_surrogate(hex4(text_.substr(at_ + 8)));
    if (!paired && (is_high_surrogate(unit) || is_low_surrogate(unit))) return problem("half of a surrogate pair");
    at_ += paired ? 12 : 6;
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool problem(std::string reason) {
    problem_ = GrammarProblem{at_, std::move(reason)};
    return false;
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;
  std::vector<bool> open_;  // true: an object
  std::optional<GrammarProblem> problem_;
};

bool continues(std::string_view text, std::size_t at, unsigned char low = 0x80, unsigned char high = 0xBF) {
  if (at >= text.size()) return false;
  const auto byte = static_cast<unsigned char>(text[at]);
  return byte >= low && byte <= high;
}

}  // namespace

std::optional<GrammarProblem> find_grammar_problem(std::string_view text, int depth_max) {
  return Walk(text, depth_max).run();
}

// Table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t utf8_sequence_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return continues(text, 1) ? 2 : 0;
  if (lead < 0xF0) {
    const unsigned char low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : 0xBF;
    return continues(text, 1, low, high) && continues(text, 2) ? 3 : 0;
  }
  const unsigned char low = lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xF4 ? 0x8F : 0xBF;
  return continues(text, 1, low, high) && continues(text, 2) && continues(text, 3) ? 4 : 0;
}

std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return 0;
  if (text[1] == 'u') return hex4(text.substr(2)) < 0 ? 0 : 6;
  return std::string_view("\"\\/bfnrt").contains(text[1]) ? 2 : 0;
}

int hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  int value = 0;
  for (const char c : text.substr(0, 4)) {
    int digit = 0;
    if (c >= '0' && c <= '9') digit = c - '0';
    else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    else return -1;
    value = value * 16 + digit;
  }
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace penstock::json
