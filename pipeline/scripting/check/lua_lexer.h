#pragma once
// The tokens of a Lua 5.4 source, each with its place. For tools; what runs is compiled by Lua itself.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

struct LuaToken {
  enum class Kind : std::uint8_t { name, keyword, text, number, symbol, end };
  Kind kind = Kind::end;
  std::string_view raw;  // as written, a view of the source
  int line = 1;
  int column = 1;  // from 1, in characters

  bool is(std::string_view word) const { return (kind == Kind::keyword || kind == Kind::symbol) && raw == word; }
};

// All tokens and one of kind end. Comments and a first line with # are left out. An error names line and column; it means
// that Lua would not compile the text either.
Result<std::vector<LuaToken>> lua_tokens(std::string_view source);

// What a text token says: quotes or long brackets taken away, escapes decoded.
std::string lua_text(std::string_view raw);

}  // namespace penstock::scripting
