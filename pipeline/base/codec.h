#pragma once
// Little-endian bytes for everything we store. A Reader never reads past its end: a short or silly input is an Error of
// kind corrupt, never undefined behaviour, so a decoder is a list of TRY lines.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "pipeline/base/result.h"

namespace penstock {

static_assert(std::endian::native == std::endian::little, "stored integers are copied as they are");

template <class T>
concept FixedInteger = std::is_integral_v<T>;

// Appends to a string the caller owns.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <FixedInteger T>
  void fixed(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  // Small negative numbers stay small: zigzag, then varint.
  void signed_varint(std::int64_t value) {
    varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void bytes(std::string_view raw) { out_.append(raw); }
  // Length, then the bytes.
  void text(std::string_view value) {
    varint(value.size());
    out_.append(value);
  }

 private:
  std::string& out_;
};

// Reads from bytes it does not own; views it returns live as long as those.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  bool at_end() const { return in_.empty(); }
  std::size_t remaining() const { return in_.size(); }

  template <FixedInteger T>
  Result<T> fixed() {
    if (in_.size() < sizeof(T)) return short_input();
    T value;
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) return short_input();
      const auto byte = static_cast<std::uint8_t>(in_.front());
      in_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return fail(ErrorKind::corrupt, "a variable-length number is longer than 64 bits");
  }
  Result<std::int64_t> signed_varint() {
    TRY_ASSIGN(const std::uint64_t raw, varint());
    return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
  }
  Result<std::string_view> bytes(std::uint64_t count) {
    if (in_.size() < count) return short_input();
    const auto taken = in_.substr(0, count);
    in_.remove_prefix(count);
    return taken;
  }
  Result<std::string_view> text() {
    TRY_ASSIGN(const std::uint64_t size, varint());
    return bytes(size);
  }

 private:
  static std::unexpected<Error> short_input() { return fail(ErrorKind::corrupt, "the bytes end too early"); }
  std::string_view in_;
};

}  // namespace penstock
