// Hashes.

#include <lua.hpp>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/digest.h"

namespace penstock::scripting {
namespace {

int sha256(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  charge_for_bytes(state, text.size());
  const auto hex = sha256_hex(text);
  lua_pushlstring(state, hex.data(), hex.size());
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"sha256", "text: string", "string", "The SHA-256 of a string, as 64 hexadecimal digits.", "app.sha256('abc'):sub(1, 16)",
     "\"ba7816bf8f01cfea\"", sha256},
};

}  // namespace

std::span<const AppFunction> digest_functions() { return kFunctions; }

}  // namespace penstock::scripting
