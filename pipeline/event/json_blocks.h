#pragma once
// JSON 64 bytes at a time: where in a block quotes, brackets and colons stand, as bits. Internal to this folder.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace penstock::json {

inline constexpr std::size_t kBlock = 64;

// One bit per byte of a block, the first byte lowest.
struct BlockBits {
  std::uint64_t quotes = 0;
  std::uint64_t backslashes = 0;
  std::uint64_t openers = 0;
  std::uint64_t closers = 0;
  std::uint64_t colons = 0;
};

// '{' and '[' differ in the bit 0x20 alone, so do '}' and ']'; no other byte shares them.
inline constexpr char kCaseBit = 0x20;

#if defined(__SSE2__)
inline std::uint64_t bits_equal(__m128i bytes, char wanted) {
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted))));
}

inline std::uint64_t bits_equal(const char* block, char wanted) {
  std::uint64_t bits = 0;
#pragma GCC unroll 4
  for (unsigned part = 0; part < kBlock; part += 16)
    bits |= bits_equal(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + part)), wanted) << part;
  return bits;
}

inline BlockBits read_block(const char* block) {
  BlockBits bits;
#pragma GCC unroll 4
  for (unsigned part = 0; part < kBlock; part += 16) {
    const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + part));
    const auto folded = _mm_or_si128(bytes, _mm_set1_epi8(kCaseBit));
    bits.quotes |= bits_equal(bytes, '"') << part;
    bits.backslashes |= bits_equal(bytes, '\\') << part;
    bits.openers |= bits_equal(folded, '{') << part;
    bits.closers |= bits_equal(folded, '}') << part;
    bits.colons |= bits_equal(bytes, ':') << part;
  }
  return bits;
}
#else
inline std::uint64_t bits_equal(const char* block, char wanted) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < kBlock; ++i) bits |= static_cast<std::uint64_t>(block[i] == wanted) << i;
  return bits;
}

inline BlockBits read_block(const char* block) {
  BlockBits bits;
  for (unsigned i = 0; i < kBlock; ++i) {
    const char folded = static_cast<char>(block[i] | kCaseBit);
    bits.quotes |= static_cast<std::uint64_t>(block[i] == '"') << i;
    bits.backslashes |= static_cast<std::uint64_t>(block[i] == '\\') << i;
    bits.openers |= static_cast<std::uint64_t>(folded == '{') << i;
    bits.closers |= static_cast<std::uint64_t>(folded == '}') << i;
    bits.colons |= static_cast<std::uint64_t>(block[i] == ':') << i;
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
    block_ = text_.data() + start_;
    if (at_ > text_.size()) {
      std::memset(last_, 0, kBlock);
      std::memcpy(last_, block_, text_.size() - start_);
      block_ = last_;
    }
    bits = read_block(block_);
    return true;
  }
  // Of the block that was read last: where it begins, and where in it this byte stands.
  std::size_t start() const { return start_; }
  std::uint64_t bits_of(char wanted) const { return bits_equal(block_, wanted); }

 private:
  std::string_view text_;
  std::size_t at_;
  std::size_t start_ = 0;
  const char* block_ = nullptr;
  char last_[kBlock];
};

// Every bit from an odd quote (included) to the next (excluded).
inline std::uint64_t between_quotes(std::uint64_t quotes) {
#pragma GCC unroll 6
  for (unsigned shift = 1; shift < kBlock; shift <<= 1) quotes ^= quotes << shift;
  return quotes;
}

}  // namespace penstock::json
