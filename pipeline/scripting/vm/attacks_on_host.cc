// Scripts that reach for what is not theirs, or for what differs from run to run.

#include "pipeline/scripting/vm/attacks.h"

namespace penstock::scripting {
namespace {

void add_reaching_out(std::vector<Attack>& to) {
  const auto nothing = [&](const std::string& name) {
    to.push_back(harmless("host", "is there " + name, "nil", "return type(" + name + ")"));
  };
  for (const char* name :
       {"io", "os", "debug", "package", "load", "loadstring", "loadfile", "dofile", "collectgarbage", "print", "warn",
        "string.dump", "math.random", "math.randomseed", "coroutine.close", "_G.debug", "_ENV.os"})
    nothing(name);
  const auto error = [&](const char* name, const char* says, const char* script) {
    to.push_back(refused("host", name, says, script));
  };
  error("bytecode", "attempt to load a binary chunk", "\x1bLua");
  error("os.execute", "index a nil value", "os.execute('true')");
  error("string metatable", "index a boolean value", "getmetatable('').__index.x = 1");
  error("string metatable replaced", "table expected", "setmetatable('', {})");
  error("a field of a string", "index a string value", "('x').y = 1");
  to.push_back(harmless("host", "_ENV of a function of its own", "1", "local _ENV = {x = 1} return x"));
}

void add_frozen(std::vector<Attack>& to) {
  const auto error = [&](const char* name, const char* script) {
    to.push_back(refused("frozen", name, "read-only", script));
  };
  error("a library function", "string.upper = nil");
  error("a new library function", "string.mine = 1");
  error("a global", "x = 1");
  error("a global by _G", "_G.x = 1");
  error("a global by _ENV", "_ENV.x = 1");
  error("rawset of a global", "rawset(_G, 'x', 1)");
  error("rawset of a library", "rawset(string, 'upper', 1)");
  error("rawset of a method's table", "rawset(getmetatable and string, 'x', 1)");
  error("table.insert", "table.insert(table, 1)");
  error("table.move", "table.move({1}, 1, 1, 1, string)");
  error("table.sort",
        "table.sort(setmetatable({}, {__index = string, __len = function() return 2 end, __newindex = string}), function() "
        "return true end)");
  error("__newindex of one's own", "setmetatable({}, {__newindex = string}).upper = 1");
  const auto hidden = [&](const char* name, const char* script) {
    to.push_back(refused("frozen", name, "protected metatable", script));
  };
  hidden("metatable of _G", "setmetatable(_G, nil)");
  hidden("metatable of _ENV", "setmetatable(_ENV, {})");
  hidden("metatable of a library", "setmetatable(string, {})");
  to.push_back(harmless("frozen", "what getmetatable shows", "false", "return tostring(getmetatable(_G))"));
  to.push_back(harmless("frozen", "what getmetatable shows of a string", "false", "return tostring(getmetatable('x'))"));
  to.push_back(harmless("frozen", "rawget sees the empty front", "nil", "return tostring(rawget(_G, 'string'))"));
}

void add_finalisers(std::vector<Attack>& to) {
  const auto error = [&](const char* name, const char* says, const char* script) {
    to.push_back(refused("finaliser", name, says, script));
  };
  error("__gc", "__gc is not available", "setmetatable({}, {__gc = function() end})");
  error("__gc of true", "__gc is not available", "setmetatable({}, {__gc = true})");
  error("__gc by rawset", "__gc is not available", "local m = {} rawset(m, '__gc', function() end) setmetatable({}, m)");
  // Lua looks for a finaliser when a metatable is set, and only then.
  to.push_back(stopped("finaliser", "__gc added later", Stop::instructions,
                       "local m = {} for i = 1, 100 do setmetatable({}, m) end "
                       "m.__gc = function() string.upper = nil end while true do local t = {} end"));
  to.push_back(
      harmless("finaliser", "a weak table", "2", "local t = setmetatable({1, 2}, {__mode = 'kv'}) return tostring(#t)"));
}

void add_addresses(std::vector<Attack>& to) {
  const auto same = [&](const char* name, const char* value, const char* script) {
    to.push_back(harmless("address", name, value, script));
  };
  same("tostring of a table", "table", "return tostring({})");
  same("tostring of a function", "function", "return tostring(function() end)");
  same("tostring of a library function", "function", "return tostring(string.rep)");
  same("tostring of a coroutine", "thread", "return tostring(coroutine.create(function() end))");
  same("tostring with __name", "mine", "return tostring(setmetatable({}, {__name = 'mine'}))");
  same("%s of a table", "table", "return ('%s'):format({})");
  same("%-9s of a function", "function |", "return ('%-9s|'):format(type)");
  same("an error that is a table", "error value is a table",
       "local ok, e = pcall(error, {}) return 'error value is a ' .. type(e)");
  to.push_back(refused("address", "%p", "%p", "return ('%p'):format({})"));
  to.push_back(refused("address", "%p with a width", "%p", "return ('%%%20p'):format({})"));
  to.push_back(refused("address", "in the message of an error", "error value is a table", "error({})"));
  same("order of pairs", "a b c d e f g h",
       "local t = {} for k in ('hgfedcba'):gmatch('.') do t[k] = 1 end "
       "local s = {} for k in pairs(t) do s[#s + 1] = k end return table.concat(s, ' ')");
}

}  // namespace

std::vector<Attack> attacks_on_host() {
  std::vector<Attack> attacks;
  add_reaching_out(attacks);
  add_frozen(attacks);
  add_finalisers(attacks);
  add_addresses(attacks);
  return attacks;
}

}  // namespace penstock::scripting
