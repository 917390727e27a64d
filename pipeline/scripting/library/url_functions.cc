// URLs: taken apart, put together, coded.

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/json_tables.h"
#include "pipeline/scripting/library/made_text.h"
#include "pipeline/scripting/library/url_query.h"
#include "pipeline/scripting/library/url_text.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

std::string lowered(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string decoded(std::string_view text) {
  std::string out;
  append_decoded(out, text);
  return out;
}

void set_text(lua_State* state, const char* name, std::string_view text) {
  push_text(state, text);
  lua_setfield(state, -2, name);
}

int parse(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  Vm::of(state).charge(state, text.size());
  const auto parts = split_url(text);
  if (!parts) return no_result(state, "not a URL");
  lua_createtable(state, 0, 9);
  if (parts->scheme) set_text(state, "scheme", lowered(std::string(*parts->scheme)));
  if (parts->user) set_text(state, "user", decoded(*parts->user));
  if (parts->password) set_text(state, "password", decoded(*parts->password));
  if (parts->host) set_text(state, "host", lowered(decoded(*parts->host)));
  if (parts->port) {
    lua_pushinteger(state, *parts->port);
    lua_setfield(state, -2, "port");
  }
  set_text(state, "path", parts->path);
  if (parts->query) set_text(state, "query", *parts->query);
  if (parts->fragment) set_text(state, "fragment", *parts->fragment);
  push_query(state, parts->query.value_or(""));
  lua_setfield(state, -2, "params");
  return 1;
}

// Puts the parts of the table at stack index 1 together.
class Builder {
 public:
  explicit Builder(lua_State* state) : state_(state) {}

  // Pushes the URL.
  void build() {
    refuse_others();
    const auto scheme = part("scheme");
    const auto host = part("host");
    if (scheme) url_.append(*scheme + ':');
    if (host) add_authority(*host);
    add_path(part("path").value_or(""), host.has_value());
    add_query();
    if (const auto fragment = part("fragment")) {
      url_.append("#");
      url_.append_kept(*fragment, "");
    }
    Vm::of(state_).charge(state_, url_.view().size());
    const auto again = split_url(url_.view());
    if (!again || again->scheme.has_value() != scheme.has_value() || again->host.has_value() != host.has_value())
      luaL_error(state_, "these parts make no URL: %s", shortened(url_.view()).c_str());
    url_.push();
  }

 private:
  static constexpr const char* kName = "app.url.build";
  static constexpr std::array<std::string_view, 9> kParts{"scheme", "user",  "password", "host",  "port",
                                                          "path",   "query", "fragment", "params"};

  void refuse_others() {
    lua_pushnil(state_);
    while (lua_next(state_, 1) != 0) {
      lua_pop(state_, 1);
      const bool known =
          lua_type(state_, -1) == LUA_TSTRING && std::ranges::find(kParts, text_at(state_, -1)) != kParts.end();
      if (known) continue;
      luaL_error(state_,
                 "'%s' is no part of a URL; there are scheme, user, password, host, port, path, query, params, fragment",
                 shown_key().c_str());
    }
  }

  // The key on top of the stack, for messages.
  std::string shown_key() {
    luaL_tolstring(state_, -1, nullptr);
    return shortened(text_at(state_, -1));
  }

  std::optional<std::string> part(const char* name) {
    std::optional<std::string> text;
    const int type = (lua_pushstring(state_, name), lua_rawget(state_, 1));
    if (type == LUA_TSTRING) text = text_at(state_, -1);
    else if (type != LUA_TNIL) luaL_error(state_, "part '%s': a string expected, got a %s", name, luaL_typename(state_, -1));
    lua_pop(state_, 1);
    return text;
  }

  void add_authority(const std::string& host) {
    url_.append("//");
    const auto user = part("user");
    const auto password = part("password");
    if (user) url_.append_encoded(*user);
    if (password) url_.append(":");
    if (password) url_.append_encoded(*password);
    if (user || password) url_.append("@");
    const bool v6 = host.find(':') != std::string::npos;
    if (v6) url_.append("[");
    url_.append_kept(host, v6 ? "" : "/?#@[]\\%");
    if (v6) url_.append("]");
    if (lua_getfield(state_, 1, "port") != LUA_TNIL) {
      const lua_Integer port = lua_isinteger(state_, -1) != 0 ? lua_tointeger(state_, -1) : -1;
      if (port < 0 || port > 65535) luaL_error(state_, "part 'port': an integer from 0 to 65535 expected");
      url_.append(':' + std::to_string(port));
    }
    lua_pop(state_, 1);
  }

  void add_path(const std::string& path, bool with_host) {
    if (with_host && !path.empty() && path.front() != '/') url_.append("/");
    url_.append_kept(path, "?#");
  }

  void add_query() {
    const auto query = part("query");
    MadeText text(state_, kName);
    if (lua_getfield(state_, 1, "params") == LUA_TNIL) {
      text.append_kept(query.value_or(""), "#");
    } else {
      table_argument(state_, lua_gettop(state_));
      append_query(state_, lua_gettop(state_), text);
    }
    lua_pop(state_, 1);
    if (text.empty() && !(query && query->empty())) return;
    url_.append("?");
    url_.append(text.view());
  }

  lua_State* state_;
  MadeText url_{state_, kName};
};

int build(lua_State* state) {
  table_argument(state, 1);
  lua_settop(state, 1);
  Builder(state).build();
  return 1;
}

int parse_query(lua_State* state) {
  std::string_view text = text_argument(state, 1);
  Vm::of(state).charge(state, text.size());
  if (text.starts_with('?')) text.remove_prefix(1);
  push_query(state, text);
  return 1;
}

int build_query(lua_State* state) {
  table_argument(state, 1);
  lua_settop(state, 1);
  MadeText query(state, "app.url.build_query");
  append_query(state, 1, query);
  query.push();
  return 1;
}

int encode(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  MadeText out(state, "app.url.encode");
  out.append_encoded(text);
  out.push();
  return 1;
}

int decode(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  Vm::of(state).charge(state, text.size() / 4);
  push_text(state, decoded(text));
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"url.parse", "text: string",
     "{scheme: string?, user: string?, password: string?, host: string?, port: integer?, path: string, query: string?, "
     "fragment: string?, params: table<string, string|string[]>}?, string?",
     "The parts of a URL, or nil and a message. scheme and host are in lower case, user, password and host decoded, an IPv6 "
     "address without brackets; path, query and fragment stand as they are. params is the query decoded (+ is a space): a "
     "name that comes several times has a list, one without '=' has \"\"; pairs gives them in order. Relative URLs have no "
     "scheme and no host. Bytes that browsers send but RFC 3986 forbids may stand in path, query and fragment; UTF-8 also "
     "in "
     "the host.",
     "app.url.parse('https://Shop.example:8443/a%20b?q=caf%C3%A9+au+lait&tag=x&tag=y#top').params",
     R"({"q":"café au lait","tag":["x","y"]})", parse},
    {"url.build", "parts: table", "string",
     "The URL of the parts that app.url.parse gives. params counts, and query only where there is no params; parameters not "
     "touched keep their order and their bytes, new ones come last. What would end a part too early is percent-coded. An "
     "unknown part, and parts that make no URL, are errors.",
     "(function() local url = app.url.parse('https://shop.example/?b=%7E1&utm_source=x&a') url.params.utm_source = nil "
     "url.params.c = 'd e' return app.url.build(url) end)()",
     "\"https://shop.example/?b=%7E1&a&c=d%20e\"", build},
    {"url.parse_query", "text: string", "table<string, string|string[]>",
     "The parameters of a query, with or without its '?', as params of app.url.parse.",
     "app.url.parse_query('a=1&b=x%26y&b=')", R"({"a":"1","b":["x&y",""]})", parse_query},
    {"url.build_query", "parameters: table", "string",
     "The query of a table of strings, numbers, booleans and lists of these, names in byte order; what app.url.parse_query "
     "gave keeps its order, and untouched parameters their bytes.",
     "app.url.build_query({b = {'x&y', 2}, a = true})", "\"a=true&b=x%26y&b=2\"", build_query},
    {"url.encode", "text: string", "string", "Percent-codes every byte but letters, digits and -._~.",
     "app.url.encode('a b/ü')", "\"a%20b%2F%C3%BC\"", encode},
    {"url.decode", "text: string", "string",
     "Undoes percent-coding. A % that begins no escape stays, and so does +, which is a space in queries only.",
     "app.url.decode('a%20b+%2F%C3%BC 100%')", "\"a b+/ü 100%\"", decode},
};

}  // namespace

std::span<const AppFunction> url_functions() { return kFunctions; }

}  // namespace penstock::scripting
