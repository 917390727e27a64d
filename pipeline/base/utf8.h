#pragma once
// UTF-8, character by character.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock {

struct Utf8Character {
  std::uint32_t code = 0;  // when it is not valid, the byte
  std::size_t bytes = 1;
  bool valid = true;
};

// The first character of a text that is not empty. A byte that begins no character is one by itself, not valid: of overlong forms,
// halves of surrogate pairs, what is beyond U+10FFFF, and what is cut off.
Utf8Character utf8_character(std::string_view text);

}  // namespace penstock
