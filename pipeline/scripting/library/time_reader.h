#pragma once
// Takes what it recognises from the front of a text that holds a time. A `take` that fails leaves the text as it was.

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace penstock::scripting {

inline constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                          "May",       "June",     "July",     "August",
                                                          "September", "October",  "November", "December"};
inline constexpr std::array<std::string_view, 7> kWeekdays{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                           "Friday", "Saturday", "Sunday"};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline char lower_letter(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }
  bool at_end() const { return rest_.empty(); }
  void skip(std::size_t count) { rest_.remove_prefix(count); }
  void skip_spaces() {
    while (!rest_.empty() &&
           (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
  }

  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // As many digits as there are, at least `digits_min` and at most `digits_max`.
  std::optional<int> number(std::size_t digits_min, std::size_t digits_max) {
    int value = 0;
    std::size_t size = 0;
    for (; size < rest_.size() && size < digits_max && is_digit(rest_[size]); ++size)
      value = value * 10 + (rest_[size] - '0');
    if (size < digits_min) return std::nullopt;
    rest_.remove_prefix(size);
    return value;
  }

  // A whole name or its first three letters, of either case; its place from 1.
  template <std::size_t n>
  std::optional<int> name(const std::array<std::string_view, n>& names) {
    for (std::size_t i = 0; i < n; ++i)
      for (const std::string_view form : {names[i], names[i].substr(0, 3)})
        if (begins_with(form)) return rest_.remove_prefix(form.size()), static_cast<int>(i) + 1;
    return std::nullopt;
  }

  bool word(std::string_view wanted) {
    if (!begins_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }

 private:
  bool begins_with(std::string_view wanted) const {
    if (rest_.size() < wanted.size()) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (lower_letter(rest_[i]) != lower_letter(wanted[i])) return false;
    return true;
  }

  std::string_view rest_;
};

}  // namespace penstock::scripting
