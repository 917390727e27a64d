#include "pipeline/event/json_structure.h"

#include <algorithm>

#include "pipeline/event/json_grammar.h"

namespace penstock::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Between two places lies one string, number or word with nothing but white space after it: whatever follows white space or a
// closing quote has a place of its own. So each is checked from its own place, and no check runs past the next one.
class Check {
 public:
  Check(std::string_view text, Places places, bool escapes, std::vector<std::uint32_t>& closes,
        std::vector<std::uint32_t>& open)
      : text_(text), places_(places), escapes_(escapes), closes_(closes), open_(open) {
    open_.clear();
    if (closes_.size() < places_.size()) closes_.resize(places_.size());
  }

  bool run(std::size_t depth_max) {
    do {
      const char c = here();
      if (c == '{' || c == '[') {
        if (open_.size() == depth_max) return false;
        if (!opened(c == '{')) return false;
        continue;
      }
      if (!open_.empty() && at_ + 1 < places_.size() && scalar(c)) {
        ++at_;
        if (after_value()) continue;
      }
      return false;
    } while (!open_.empty());
    return at_ == places_.size();
  }

 private:
  char here() const { return at_ < places_.size() ? text_[places_[at_]] : '\0'; }

  // Afterwards a value begins here, or the whole is over.
  bool opened(bool object) {
    open_.push_back(static_cast<std::uint32_t>(at_++));
    in_object_ = object;
    if (here() == (object ? '}' : ']')) return closed() && after_value();
    return !object || key();
  }

  bool closed() {
    closes_[open_.back()] = static_cast<std::uint32_t>(at_++);
    open_.pop_back();
    if (!open_.empty()) in_object_ = text_[places_[open_.back()]] == '{';
    return true;
  }

  bool after_value() {
    while (!open_.empty()) {
      const char c = here();
      if (c == ',') {
        ++at_;
        return !in_object_ || key();
      }
      if (c != (in_object_ ? '}' : ']')) return false;
      closed();
    }
    return true;
  }

  bool key() {
    if (at_ + 2 >= places_.size() || text_[places_[at_]] != '"' || text_[places_[at_ + 1]] != ':') return false;
    if (escapes_ && !escapes_are_right()) return false;
    at_ += 2;
    return true;
  }

  bool scalar(char c) const {
    switch (c) {
      case '"': return !escapes_ || escapes_are_right();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number(text_.data() + places_[at_]);
    }
  }

  const char* next_place() const { return text_.data() + places_[at_ + 1]; }
  bool ends(const char* p) const { return p == next_place() || is_space(*p); }

  bool word(std::string_view word) const {
    const char* const p = text_.data() + places_[at_];
    return static_cast<std::size_t>(next_place() - p) >= word.size() && std::string_view(p, word.size()) == word &&
           ends(p + word.size());
  }

  // At the next place stands no character of a number, or white space stands before it.
  bool number(const char* p) const {
    if (*p == '-') ++p;
    if (*p == '0') ++p;
    else if (!digits(p)) return false;
    if (*p == '.' && !digits(++p)) return false;
    if (*p == 'e' || *p == 'E') {
      ++p;
      if (*p == '+' || *p == '-') ++p;
      if (!digits(p)) return false;
    }
    return ends(p);
  }

  static bool digits(const char*& p) {
    const char* const start = p;
    while (is_digit(*p)) ++p;
    return p != start;
  }

  bool escapes_are_right() const {
    std::string_view rest = text_.substr(places_[at_], places_[at_ + 1] - places_[at_]);
    for (std::size_t at = rest.find('\\'); at != std::string_view::npos; at = rest.find('\\')) {
      const std::size_t length = escape_length(rest.substr(at));
      if (length == 0) return false;
      rest.remove_prefix(at + length);
    }
    return true;
  }

  std::string_view text_;
  Places places_;
  bool escapes_;
  std::vector<std::uint32_t>& closes_;
  std::vector<std::uint32_t>& open_;  // the numbers of the places of what is open
  bool in_object_ = false;
  std::size_t at_ = 0;
};

// What stands from a place up to the next one that is given, without the white space before that.
std::string_view between(std::string_view text, std::size_t start, std::size_t end) {
  while (is_space(text[end - 1])) --end;
  return {text.data() + start, end - start};
}

// The value that begins at place number `at`, which is moved to what follows it.
std::string_view take_value(std::string_view text, Places places, Closes closes, std::size_t& at) {
  const std::size_t start = places[at];
  if (text[start] != '{' && text[start] != '[') return ++at, between(text, start, places[at]);
  const std::size_t close = closes[at];
  at = close + 1;
  return {text.data() + start, places[close] + 1 - start};
}

}  // namespace

bool check_structure(std::string_view text, Places places, bool escapes, std::size_t depth_max,
                     std::vector<std::uint32_t>& closes, std::vector<std::uint32_t>& open) {
  return Check(text, places, escapes, closes, open).run(depth_max);
}

std::size_t place_number(Places places, std::size_t at) {
  const auto found = std::ranges::lower_bound(places, at);
  if (found == places.end() || *found != at) return places.size();
  return static_cast<std::size_t>(found - places.begin());
}

void read_members(std::string_view text, Places places, Closes closes, std::size_t open, bool escapes,
                  std::vector<Member>& members) {
  const std::size_t close = closes[open];
  // Each time a key, a colon, a value, and the comma or brace behind it.
  for (std::size_t at = open + 1; at < close; ++at) {
    Member& member = members.emplace_back();
    member.key = between(text, places[at] + std::size_t{1}, places[at + 1]);
    member.key.remove_suffix(1);
    member.key_escaped = escapes && member.key.contains('\\');
    at += 2;
    member.value = take_value(text, places, closes, at);
  }
}

void read_elements(std::string_view text, Places places, Closes closes, std::size_t open,
                   std::vector<std::string_view>& elements) {
  const std::size_t close = closes[open];
  for (std::size_t at = open + 1; at < close; ++at) elements.push_back(take_value(text, places, closes, at));
}

}  // namespace penstock::json
