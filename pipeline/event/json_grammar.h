#pragma once
// The whole grammar of RFC 8259, checked byte by byte. Slower than simdjson's parser, but it says where and why, and it
// has no opinion about the size of numbers. It runs only on what the fast parser refused, and has the last word there.
// Internal to this folder.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::json {

struct GrammarProblem {
  std::size_t offset = 0;
  std::string reason;
};

// nullopt: `text` is exactly one valid value, white space around it allowed, with at most `depth_max` arrays and objects
// inside one another. A lone surrogate escape is a problem here: replace it before. Linear time, no recursion.
std::optional<GrammarProblem> find_grammar_problem(std::string_view text, int depth_max);

// The length of the well-formed UTF-8 sequence at the front of `text`: 1 to 4, or 0 when there is none.
std::size_t utf8_sequence_length(std::string_view text);

// The length of the escape at the front of `text`, which is a backslash: 2 or 6, or 0 when there is no such escape. Surrogates
// are not looked at.
std::size_t escape_length(std::string_view text);

// The four hex digits at the front of `text`, or -1.
int hex4(std::string_view text);

constexpr bool is_high_surrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool is_low_surrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }
constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Without JSON's white space at both ends.
std::string_view trim(std::string_view text);

}  // namespace penstock::json
