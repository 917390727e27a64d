#pragma once
// Finding the ends of strings and containers in text that was validated, many bytes at a time. Never reads past the text;
// on damaged text it returns npos, never nonsense behind the end. Internal to this folder.

#include <cstddef>
#include <string_view>

namespace penstock::json {

inline constexpr std::size_t kNotFound = std::string_view::npos;

struct StringEnd {
  std::size_t quote = kNotFound;  // where the closing quote is
  bool escaped = false;           // whether a backslash came before it
};

// `at` is the first byte after the opening quote.
StringEnd find_string_end(std::string_view text, std::size_t at);

// `at` is an opening brace or bracket; the result is the first byte after its counterpart.
std::size_t find_container_end(std::string_view text, std::size_t at);

// Any value that starts at `at`; the result is the first byte after it.
std::size_t find_value_end(std::string_view text, std::size_t at);

// The first byte at or after `at` that is not white space; text.size() when there is none.
std::size_t skip_space(std::string_view text, std::size_t at);

}  // namespace penstock::json
