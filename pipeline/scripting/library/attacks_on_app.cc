#include "pipeline/scripting/library/attacks_on_app.h"

namespace penstock::scripting {
namespace {

// Without `big`, half a megabyte that is three when it is coded, no script here is an attack.
std::string with_big(const char* script) { return std::string("local big = ('\\1'):rep(1 << 19) ") + script; }

void add_urls(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) {
    to.push_back(stopped("url", name, Stop::instructions, with_big(script)));
  };
  add("a query of one text many times", "local l = {} for i = 1, 2000 do l[i] = big end app.url.build_query{a = l}");
  add("a URL of one text many times",
      "local l = {} for i = 1, 2000 do l[i] = big end app.url.build{path = '/', params = {a = l}}");
  add("names that are long", "local l = {} for i = 1, 2000 do l[i] = 1 end app.url.build_query{[big] = l}");
  add("queries caught",
      "local l = {} for i = 1, 50 do l[i] = big end while true do pcall(app.url.build_query, {a = l}) end");
  add("parameters that are refused", "while true do pcall(app.url.build_query, {[big] = app.null}) end");
  add("a path of per cents", "local p = '/' .. ('%'):rep(1 << 20) while true do app.url.build{path = p} end");
  add("parts that make no URL", "local p = '//' .. ('%'):rep(1 << 20) while true do pcall(app.url.build, {path = p}) end");
  add("a part that is none", "while true do pcall(app.url.build, {[big] = 1}) end");
  add("many empty values", "local l = {} for i = 1, 100000 do l[i] = '' end while true do app.url.build_query{a = l} end");
  add("many names", "local t = {} for i = 1, 10000 do t['n' .. i] = '' end while true do app.url.build_query(t) end");
  add("a list without end of tables",
      "local l = {} for i = 1, 100000 do l[i] = {} end while true do pcall(app.url.build_query, {a = l}) end");
  add("parsing many parameters", "local s = 'http://a/?' .. ('a&'):rep(1 << 19) while true do app.url.parse(s) end");
  add("parsing many parameters once", "app.url.parse('http://a/?' .. ('a&'):rep(1 << 21))");
  add("parsing a long path", "local s = 'http://a/' .. ('%'):rep(1 << 19) while true do app.url.parse(s) end");
  add("encoding", "while true do app.url.encode(big) end");
  add("decoding", "local s = ('%'):rep(1 << 20) while true do app.url.decode(s) end");
}

void add_json(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) {
    to.push_back(stopped("json", name, Stop::instructions, with_big(script)));
  };
  add("a text too large, logged again and again", "while true do app.log{big} end");
  add("some texts too large in one line", "while true do app.log({big}, {big}, {big}, {big}) end");
  add("many texts in many lines",
      "local t = {} for i = 1, 100 do t[i] = {big} end while true do app.log(table.unpack(t)) end");
  add("many numbers in one line",
      "local t = {} for i = 1, 16000 do t[i] = i + 0.5 end while true do app.log(table.unpack(t)) end");
  add("many empty texts in one line",
      "local t = {} for i = 1, 16000 do t[i] = app.array{} end while true do app.log(table.unpack(t)) end");
  add("many numbers printed",
      "local t = {} for i = 1, 16000 do t[i] = i + 0.5 end while true do print(table.unpack(t)) end");
  add("encoding", "while true do pcall(app.json.encode, big) end");
  add("encoding what fits", "local s = ('\\1'):rep(150000) while true do app.json.encode(s) end");
  add("encoding bytes that are no text", "local s = ('\\xff'):rep(150000) while true do app.json.encode(s) end");
  add("encoding much text", "local s = ('\\u{20ac}'):rep(300000) while true do app.json.encode(s) end");
  add("encoding many numbers", "local t = {} for i = 1, 50000 do t[i] = i + 0.1 end while true do app.json.encode(t) end");
  add("encoding many tables", "local t = {} for i = 1, 50000 do t[i] = {} end while true do pcall(app.json.encode, t) end");
  add("encoding many keys", "local t = {} for i = 1, 10000 do t['k' .. i] = 1 end while true do app.json.encode(t) end");
  add("a long key", "while true do pcall(app.json.encode, {[big] = 1}) end");
  add("copying", "while true do pcall(app.copy, {big}) end");
  add("a field", "while true do pcall(function() event.a = big end) end");
  add("a field's key", "while true do pcall(function() event[big] = 1 end) end");
  add("many long keys", "local k = ('\\1'):rep(60000) for i = 1, 1e9 do event[k .. i] = 1 end");
  add("a long key of many",
      "local k = ('x'):rep(15 << 20) for i = 1, 500 do event['k' .. i] = 1 end while true do local x = event[k] end");
  add("walks over the event", "while true do for k, v in pairs(event) do end end");
  add("walks over the event by next", "while true do for k, v in next, event do end end");
  add("next of the event", "local k = next(event) while true do next(event, k) next(event) end");
  add("next of a wide object",
      "local l = {} for i = 1, 5000 do l['k' .. i] = i end event.wide = l local w = event.wide "
      "while true do local k repeat k = next(w, k) until k == nil end");
  add("next by keys out of turn",
      "local l = {} for i = 1, 5000 do l['k' .. i] = i end event.wide = l local w = event.wide "
      "while true do for i = 1, 5000 do next(w, 'k' .. i * 2477 % 5000 + 1) end end");
  add("next past what was removed",
      "local l = {} for i = 1, 5000 do l['k' .. i] = i end event.wide = l local w = event.wide "
      "for i = 2, 4999 do w['k' .. i] = nil end while true do next(w, 'k1') end");
  add("walks within walks of the event",
      "while true do for k in pairs(event) do for j in pairs(event) do next(event, j) end end end");
  add("state", "while true do pcall(app.state.set, 'k', big) end");
  add("errors that are tables",
      "while true do pcall(error, {big}) app.log(setmetatable({}, {__tostring = function() return big end})) end");
}

void add_others(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) {
    to.push_back(stopped("others", name, Stop::instructions, with_big(script)));
  };
  add("flags of an expression", "local f = ('i'):rep(15 << 20) while true do pcall(app.regex, 'a', f) end");
  add("an expression too long", "local s = ('a'):rep(15 << 20) while true do pcall(app.regex, s) end");
  add("a zone to read", "local z = ('x'):rep(15 << 20) while true do pcall(app.time.parse, '2026-01-01', z) end");
  add("a zone to write", "local z = ('x'):rep(15 << 20) while true do pcall(app.time.format, 0, z) end");
  add("a zone of parts", "local z = ('x'):rep(15 << 20) while true do pcall(app.time.parts, 0, z) end");
  add("an offset", "local z = '+' .. ('0'):rep(15 << 20) while true do pcall(app.time.format, 0, z) end");
  add("zones that are none", "while true do pcall(app.time.parts, 0, 'Europe/Nowhere') end");
  add("zones that are none between slow calls",
      "local s = (' '):rep(1000000) .. '1' "
      "while true do for i = 1, 60 do math.abs(s) end pcall(app.time.parts, 0, 'X/Y') end");
  add("offsets between slow calls",
      "local s = (' '):rep(1000000) .. '1' local n = 0 while true do n = n + 1 for i = 1, 60 do math.abs(s) end "
      "app.time.parts(0, ('+%02d:%02d'):format(n // 60 % 14, n % 60)) end");
  add("a format to write", "local f = ('%A'):rep(7 << 20) while true do pcall(app.time.format, 0, f) end");
  add("a format to write that fits", "local f = ('%A'):rep(500) while true do app.time.format(0, f) end");
  add("a format to read", "local f = ('%Y'):rep(7 << 20) while true do pcall(app.time.parse, f, f) end");
  add("a long time", "local s = ('9'):rep(15 << 20) while true do app.time.parse(s) end");
}

}  // namespace

std::vector<Attack> attacks_on_app() {
  std::vector<Attack> attacks;
  add_urls(attacks);
  add_json(attacks);
  add_others(attacks);
  return attacks;
}

}  // namespace penstock::scripting
