// Bytes as base64 and hexadecimal texts, and back.

#include <lua.hpp>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/text_coding.h"

namespace penstock::scripting {
namespace {

Base64 alphabet_argument(lua_State* state) {
  const auto wanted = optional_text(state, 2);
  luaL_argcheck(state, !wanted || *wanted == "standard" || *wanted == "url", 2, "expected 'standard' or 'url'");
  return wanted == "url" ? Base64::url : Base64::standard;
}

// Gives what `write` puts into a buffer of `size` bytes, or nil when it returns nullptr.
template <class Write>
int give(lua_State* state, std::size_t size, std::string_view refusal, Write&& write) {
  luaL_Buffer buffer;
  char* to = luaL_buffinitsize(state, &buffer, size);
  const char* end = write(to);
  if (end == nullptr) return no_result(state, refusal);
  luaL_pushresultsize(&buffer, static_cast<std::size_t>(end - to));
  return 1;
}

int base64_encode(lua_State* state) {
  const std::string_view bytes = text_argument(state, 1);
  const Base64 alphabet = alphabet_argument(state);
  charge_for_bytes(state, bytes.size());
  return give(state, base64_size(bytes.size()), {}, [&](char* to) { return encode_base64(bytes, alphabet, to); });
}

int base64_decode(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  const Base64 alphabet = alphabet_argument(state);
  charge_for_bytes(state, text.size());
  return give(state, base64_bytes_max(text.size()), "not base64",
              [&](char* to) { return decode_base64(text, alphabet, to); });
}

int hex_encode(lua_State* state) {
  const std::string_view bytes = text_argument(state, 1);
  charge_for_bytes(state, bytes.size());
  return give(state, 2 * bytes.size(), {}, [&](char* to) { return encode_hex(bytes, to); });
}

int hex_decode(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  charge_for_bytes(state, text.size());
  return give(state, text.size() / 2, "not hexadecimal", [&](char* to) { return decode_hex(text, to); });
}

constexpr AppFunction kFunctions[] = {
    {"base64.encode", "bytes: string, alphabet?: \"standard\"|\"url\"", "string",
     "Base64 of any bytes: 'standard' (the default) with '+', '/' and padding; 'url' with '-', '_' and without padding.",
     "{app.base64.encode('any bytes?'), app.base64.encode('any bytes?', 'url')}", R"(["YW55IGJ5dGVzPw==","YW55IGJ5dGVzPw"])",
     base64_encode},
    {"base64.decode", "text: string, alphabet?: \"standard\"|\"url\"", "string?, string?",
     "The bytes of a base64 text, with or without padding; nil and a message when it is none, line breaks included.",
     "app.base64.decode('YW55IGJ5dGVzPw')", "\"any bytes?\"", base64_decode},
    {"hex.encode", "bytes: string", "string", "Two lower-case hexadecimal digits for each byte.", "app.hex.encode('Pen\\0')",
     "\"50656e00\"", hex_encode},
    {"hex.decode", "text: string", "string?, string?",
     "The bytes of hexadecimal digits, of either case; nil and a message when it holds anything else.",
     "app.hex.decode('50656E')", "\"Pen\"", hex_decode},
};

}  // namespace

std::span<const AppFunction> coding_functions() { return kFunctions; }

}  // namespace penstock::scripting
