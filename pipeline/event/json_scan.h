#pragma once
// Finding the ends of strings and containers in text that was validated, many bytes at a time. Never reads past the text;
// on damaged text it returns npos, never nonsense behind the end. Internal to this folder.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "pipeline/event/json_grammar.h"

namespace penstock::json {

inline constexpr std::size_t kNotFound = std::string_view::npos;

struct StringEnd {
  std::size_t quote = kNotFound;  // where the closing quote is
  bool escaped = false;           // whether a backslash came before it
};

// `at` is the first byte after the opening quote.
StringEnd find_long_string_end(std::string_view text, std::size_t at);
inline StringEnd find_string_end(std::string_view text, std::size_t at) {
#if defined(__SSE2__)
  // Most keys and values end within sixteen bytes, and a call costs as much as they do.
  if (at + 16 <= text.size()) {
    const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const auto quotes = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'))));
    const auto backslashes = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    // The lowest bit is a quote's: no backslash comes before it.
    if (const std::uint32_t first = quotes & (~quotes + 1); first != 0 && (backslashes & (first - 1)) == 0)
      return {at + static_cast<std::size_t>(std::countr_zero(first)), false};
  }
#endif
  return find_long_string_end(text, at);
}

// `at` is an opening brace or bracket; the result is the first byte after its counterpart.
std::size_t find_container_end(std::string_view text, std::size_t at);

// Any value that starts at `at`; the result is the first byte after it.
inline std::size_t find_value_end(std::string_view text, std::size_t at) {
  if (at >= text.size()) return kNotFound;
  const char first = text[at];
  if (first == '"') {
    const auto end = find_string_end(text, at + 1);
    return end.quote == kNotFound ? kNotFound : end.quote + 1;
  }
  if (first == '{' || first == '[') return find_container_end(text, at);
  const auto start = at;
  while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']' && !is_space(text[at])) ++at;
  return at == start ? kNotFound : at;
}

// The first byte at or after `at` that is not white space; text.size() when there is none.
inline std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

}  // namespace penstock::json
