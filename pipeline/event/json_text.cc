// Strings and numbers: from raw JSON and back.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "pipeline/event/json.h"
#include "pipeline/event/json_grammar.h"
#include "pipeline/event/json_scan.h"

namespace penstock::json {
namespace {

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto tail = [&](unsigned shift) { out.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3F))); };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    tail(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

// `escape` starts behind "\u"; returns how many bytes it took. Half a pair, which validated text does not have, becomes
// U+FFFD all the same: damaged text must not make invalid UTF-8.
std::size_t append_unicode_escape(std::string& out, std::string_view escape) {
  const int unit = hex4(escape);
  if (unit < 0) {
    append_utf8(out, 0xFFFD);
    return 0;
  }
  if (is_high_surrogate(unit) && escape.substr(4).starts_with("\\u")) {
    const int low = hex4(escape.substr(6));
    if (is_low_surrogate(low)) {
      append_utf8(out, static_cast<std::uint32_t>(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)));
      return 10;
    }
  }
  const bool half = is_high_surrogate(unit) || is_low_surrogate(unit);
  append_utf8(out, half ? 0xFFFD : static_cast<std::uint32_t>(unit));
  return 4;
}

char simple_escape(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

std::string_view unescape_inside(std::string_view inside, std::string& scratch) {
  scratch.clear();
  for (;;) {
    const auto backslash = inside.find('\\');
    scratch.append(inside.substr(0, backslash));
    if (backslash == std::string_view::npos || backslash + 1 >= inside.size()) return scratch;
    const char c = inside[backslash + 1];
    inside.remove_prefix(backslash + 2);
    if (c == 'u') inside.remove_prefix(append_unicode_escape(scratch, inside));
    else scratch.push_back(simple_escape(c));
  }
}

void append_control(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '\b': out.append("\\b"); return;
    case '\f': out.append("\\f"); return;
    case '\n': out.append("\\n"); return;
    case '\r': out.append("\\r"); return;
    case '\t': out.append("\\t"); return;
    default:
      out.append("\\u00");
      out.push_back(kHex[(c >> 4) & 0x0F]);
      out.push_back(kHex[c & 0x0F]);
  }
}

// Whether a number that no double can hold is too small (then it is zero) rather than too large: by the power of ten of its
// first digit that is not zero.
bool underflows(std::string_view number) {
  const auto exponent_at = number.find_first_of("eE");
  const auto mantissa = number.substr(0, exponent_at);
  std::int64_t power = 0;
  if (exponent_at != std::string_view::npos) {
    auto digits = number.substr(exponent_at + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), power);
    if (read.ec == std::errc::result_out_of_range) return digits.starts_with('-');
  }
  const auto point = std::min(mantissa.find('.'), mantissa.size());
  const auto first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return true;
  const auto places = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  return power < -places;
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Any below 0x20, any of '"' and '\\', any with the high bit.
bool are_eight_plain(const char* at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHighs = 0x8080808080808080ULL;
  const auto zero_in = [](std::uint64_t v) { return (v - kOnes) & ~v & kHighs; };
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  const std::uint64_t low = (word - kOnes * 0x20) & ~word & kHighs;
  return (low | zero_in(word ^ kOnes * '"') | zero_in(word ^ kOnes * '\\') | (word & kHighs)) == 0;
}

#if defined(__SSE2__)
// As signed bytes, those with the high bit are below 0x20 too.
bool are_sixteen_plain(const char* at) {
  const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const auto low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  const auto special = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
  return _mm_movemask_epi8(_mm_or_si128(low, special)) == 0;
}
#endif

}  // namespace

std::string_view unescape(std::string_view raw_string, std::string& scratch) {
  if (raw_string.size() < 2) return {};
  const auto inside = raw_string.substr(1, raw_string.size() - 2);
  return inside.find('\\') == std::string_view::npos ? inside : unescape_inside(inside, scratch);
}

std::string_view unescaped_key(const Member& member, std::string& scratch) {
  return member.key_escaped ? unescape_inside(member.key, scratch) : member.key;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// The last block overlaps the one before, so that no text of eight bytes or more is looked at byte by byte.
bool is_plain(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
#if defined(__SSE2__)
  if (text.size() >= 16) {
    for (; at + 16 < end; at += 16)
      if (!are_sixteen_plain(at)) return false;
    return are_sixteen_plain(end - 16);
  }
#endif
  if (text.size() >= 8) {
    for (; at + 8 < end; at += 8)
      if (!are_eight_plain(at)) return false;
    return are_eight_plain(end - 8);
  }
  return std::ranges::all_of(text, [](char c) { return is_ascii(c) && c >= 0x20 && c != '"' && c != '\\'; });
}

void append_string(std::string& out, std::string_view text) {
  append_string(out, text, std::numeric_limits<std::size_t>::max());
}

bool append_string(std::string& out, std::string_view text, std::size_t bytes_max) {
  if (out.size() > bytes_max || text.size() > bytes_max - out.size()) return false;  // no text becomes shorter
  if (is_plain(text)) {
    out.push_back('"');
    out.append(text);
    out.push_back('"');
    return out.size() <= bytes_max;
  }
  out.push_back('"');
  std::size_t plain = 0;  // bytes at the front that need no change
  const auto flush = [&](std::size_t skipped) {
    out.append(text.substr(0, plain));
    text.remove_prefix(plain + skipped);
    plain = 0;
  };
  while (plain < text.size()) {
    if (out.size() > bytes_max) return false;
    const char c = text[plain];
    if (c == '"' || c == '\\') {
      flush(1);
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      flush(1);
      append_control(out, c);
    } else if (const auto length = utf8_sequence_length(text.substr(plain)); length == 0) {
      flush(1);
      out.append("\\ufffd");
    } else {
      plain += length;
    }
  }
  flush(0);
  out.push_back('"');
  return out.size() <= bytes_max;
}

void append_compact(std::string& out, std::string_view raw) {
  while (!raw.empty()) {
    const auto next = raw.find_first_of("\" \n\r\t");
    out.append(raw.substr(0, next));
    if (next == std::string_view::npos) return;
    raw.remove_prefix(next);
    if (raw.front() != '"') {
      raw.remove_prefix(skip_space(raw, 0));
      continue;
    }
    const auto end = find_string_end(raw, 1);
    const auto size = end.quote == kNotFound ? raw.size() : end.quote + 1;
    out.append(raw.substr(0, size));
    raw.remove_prefix(size);
  }
}

std::optional<std::int64_t> to_int64(std::string_view raw_number) {
  std::int64_t value = 0;
  const char* end = raw_number.data() + raw_number.size();
  const auto read = std::from_chars(raw_number.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

std::optional<double> to_double(std::string_view raw_number) {
  double value = 0;
  const char* end = raw_number.data() + raw_number.size();
  const auto read = std::from_chars(raw_number.data(), end, value);
  if (read.ptr != end || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec == std::errc()) return std::isfinite(value) ? std::optional(value) : std::nullopt;
  if (!underflows(raw_number)) return std::nullopt;
  return raw_number.starts_with('-') ? -0.0 : 0.0;
}

}  // namespace penstock::json
