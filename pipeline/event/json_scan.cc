#include "pipeline/event/json_scan.h"

#include <cstring>

namespace penstock::json {
namespace {

constexpr std::size_t kBlock = 64;

// One bit per byte of a block, the first byte lowest.
struct BlockBits {
  std::uint64_t quotes = 0;
  std::uint64_t backslashes = 0;
  std::uint64_t openers = 0;
  std::uint64_t closers = 0;
};

// '{' and '[' differ in the bit 0x20 alone, so do '}' and ']'; no other byte shares them.
constexpr char kCaseBit = 0x20;

#if defined(__SSE2__)
std::uint64_t bits_equal(__m128i bytes, char wanted) {
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted))));
}

BlockBits read_block(const char* block) {
  BlockBits bits;
#pragma GCC unroll 4
  for (unsigned part = 0; part < kBlock; part += 16) {
    const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + part));
    const auto folded = _mm_or_si128(bytes, _mm_set1_epi8(kCaseBit));
    bits.quotes |= bits_equal(bytes, '"') << part;
    bits.backslashes |= bits_equal(bytes, '\\') << part;
    bits.openers |= bits_equal(folded, '{') << part;
    bits.closers |= bits_equal(folded, '}') << part;
  }
  return bits;
}
#else
BlockBits read_block(const char* block) {
  BlockBits bits;
  for (unsigned i = 0; i < kBlock; ++i) {
    const char folded = static_cast<char>(block[i] | kCaseBit);
    bits.quotes |= static_cast<std::uint64_t>(block[i] == '"') << i;
    bits.backslashes |= static_cast<std::uint64_t>(block[i] == '\\') << i;
    bits.openers |= static_cast<std::uint64_t>(folded == '{') << i;
    bits.closers |= static_cast<std::uint64_t>(folded == '}') << i;
  }
  return bits;
}
#endif

// Reads the text block by block; the last one is filled up with zeros.
class Blocks {
 public:
  Blocks(std::string_view text, std::size_t at) : text_(text), at_(at) {}

  bool next(BlockBits& bits) {
    if (at_ >= text_.size()) return false;
    start_ = at_;
    at_ += kBlock;
    const char* block = text_.data() + start_;
    char last[kBlock];
    if (at_ > text_.size()) {
      std::memset(last, 0, kBlock);
      std::memcpy(last, block, text_.size() - start_);
      block = last;
    }
    bits = read_block(block);
    return true;
  }
  std::size_t start() const { return start_; }

 private:
  std::string_view text_;
  std::size_t at_;
  std::size_t start_ = 0;
};

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

// Every bit from an odd quote (included) to the next (excluded).
std::uint64_t between_quotes(std::uint64_t quotes) {
#pragma GCC unroll 6
  for (unsigned shift = 1; shift < kBlock; shift <<= 1) quotes ^= quotes << shift;
  return quotes;
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
