#include "pipeline/event/json_scan.h"

#include "pipeline/event/json_blocks.h"

namespace penstock::json {
namespace {

// The bytes that a backslash before them makes harmless. `carried`: the last byte of the block before was such a backslash.
std::uint64_t escaped_bytes(std::uint64_t backslashes, bool& carried) {
  std::uint64_t escaped = carried ? 1 : 0;
  carried = false;
  for (std::uint64_t left = backslashes & ~escaped; left != 0;) {
    const int at = std::countr_zero(left);
    if (at == kBlock - 1) {
      carried = true;
      break;
    }
    escaped |= std::uint64_t{2} << at;
    left &= ~(std::uint64_t{3} << at);
  }
  return escaped;
}

}  // namespace

StringEnd find_long_string_end(std::string_view text, std::size_t at) {
  StringEnd end;
#if defined(__SSE2__)
  while (at + 16 <= text.size()) {
    const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const auto quotes = static_cast<std::uint32_t>(bits_equal(bytes, '"'));
    const auto found = quotes | static_cast<std::uint32_t>(bits_equal(bytes, '\\'));
    if (found == 0) {
      at += 16;
      continue;
    }
    const auto first = static_cast<std::size_t>(std::countr_zero(found));
    at += first;
    if ((quotes >> first) & 1) {
      end.quote = at;
      return end;
    }
    end.escaped = true;
    at += 2;
  }
#endif
  for (; at < text.size(); ++at) {
    if (text[at] == '"') {
      end.quote = at;
      return end;
    }
    if (text[at] == '\\') {
      end.escaped = true;
      ++at;
    }
  }
  return end;
}

std::size_t find_container_end(std::string_view text, std::size_t at) {
  Blocks blocks(text, at);
  BlockBits bits;
  std::size_t depth = 0;
  bool escape_carried = false;
  bool in_string = false;
  while (blocks.next(bits)) {
    if (bits.backslashes != 0 || escape_carried) bits.quotes &= ~escaped_bytes(bits.backslashes, escape_carried);
    const std::uint64_t strings = between_quotes(bits.quotes) ^ (in_string ? ~std::uint64_t{0} : 0);
    in_string = (strings >> (kBlock - 1)) != 0;
    const std::uint64_t openers = bits.openers & ~strings;
    const std::uint64_t closers = bits.closers & ~strings;
    const auto closed = static_cast<std::size_t>(std::popcount(closers));
    if (closed >= depth) {  // perhaps in this block; its brackets tell
      std::size_t level = depth;
      for (std::uint64_t brackets = openers | closers; brackets != 0; brackets &= brackets - 1) {
        const auto place = static_cast<std::size_t>(std::countr_zero(brackets));
        if ((openers >> place) & 1) ++level;
        else if (--level == 0) return blocks.start() + place + 1;
      }
    }
    depth += static_cast<std::size_t>(std::popcount(openers)) - closed;
  }
  return kNotFound;
}

}  // namespace penstock::json
