// Hashes.

#include <lua.hpp>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/digest.h"
#include "pipeline/scripting/library/text_coding.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

// 2 to 10 ns a step, by algorithm and processor.
void charge_for_digest(lua_State* state, std::size_t bytes) {
  constexpr std::size_t kBytesPerStep = 4;
  Vm::of(state).charge(state, bytes / kBytesPerStep);
}

int sha256(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  charge_for_digest(state, text.size());
  const auto hex = sha256_hex(text);
  lua_pushlstring(state, hex.data(), hex.size());
  return 1;
}

int hmac_hex(lua_State* state) {
  const std::string_view key = text_argument(state, 1);
  const std::string_view text = text_argument(state, 2);
  const auto digest = digest_named(optional_text(state, 3).value_or("sha256"));
  luaL_argcheck(state, digest.has_value(), 3, "expected 'sha1', 'sha256', 'sha384' or 'sha512'");
  charge_for_digest(state, key.size() + text.size());
  std::array<char, kDigestBytesMax> code{};
  const std::size_t size = hmac(*digest, key, text, code);
  std::array<char, 2 * kDigestBytesMax> hex{};
  encode_hex({code.data(), size}, hex.data());
  lua_pushlstring(state, hex.data(), 2 * size);
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"sha256", "text: string", "string", "The SHA-256 of a string, as 64 hexadecimal digits.",
     "app.sha256('abc'):sub(1, 16)", "\"ba7816bf8f01cfea\"", sha256},
    {"hmac", "key: string, text: string, algorithm?: \"sha256\"|\"sha1\"|\"sha384\"|\"sha512\"", "string",
     "The HMAC of a text under a key, in hexadecimal digits; by SHA-256 unless another algorithm is named.",
     "app.hmac('key', 'The quick brown fox jumps over the lazy dog', 'sha1')",
     "\"de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9\"", hmac_hex},
};

}  // namespace

std::span<const AppFunction> digest_functions() { return kFunctions; }

}  // namespace penstock::scripting
