// What a Lua author may expect of `event`, case by case: a body of `transform`, an event, what becomes of it.

#include <doctest/doctest.h>

#include "pipeline/scripting/transform/case_table.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

TEST_CASE("what nobody assigned keeps its bytes") {
  const std::string odd =
      R"({ "i":18446744073709551617, "f" : 1.0,"e":1e400, "z":-0.0,"s":"\u00e9\/\n", "a":[ ], "o":{ }, "n":null, "d":[1 , 2]})";
  check({
      {"return event", odd, odd},
      {"local x = event.i, event.f, event.s, event.d[1] return event", odd, odd},
      {"event.i = event.i event.f = event.f event.e = event.e event.z = event.z event.s = event.s event.a = event.a "
       "event.o = event.o event.n = event.n return event",
       odd, odd},
      {"event.new = 1 return event", R"({ "a" : 1.0 , "b":"\u0041"})", R"({"a" : 1.0 , "b":"\u0041","new":1})"},
      {"event.b = nil return event", R"({"a":1.0,"b":2,"c":1e2,"d":[]})", R"({"a":1.0,"c":1e2,"d":[]})"},
      {"event.p.x = 1 return event", R"({"a":1.00,"p":{"k":"\u0041","x":0},"z":[1.0 ]})",
       R"({"a":1.00,"p":{"k":"\u0041","x":1},"z":[1.0 ]})"},
      {"event.new = 1 return event", R"({"a":1,"b":2,"a":3,"c":4})", R"({"a":3,"b":2,"c":4,"new":1})"},
      {"event.new = 1 return event", R"({"a":1,"a":2})", R"({"a":2,"new":1})"},
      {"event['\xc3\xa9'] = 2 return event", R"({"\u00e9":1,"b":1})", R"({"\u00e9":2,"b":1})"},
      {"event.a = nil return event", R"({"a":1})", "{}"},
      {"event.a = nil event.b = 2 return event", R"({"a":1})", R"({"b":2})"},
      {"event.a = nil event.a = 2 return event", R"({"a":1,"b":1})", R"({"a":2,"b":1})"},
  });
}

TEST_CASE("numbers are what they say") {
  check({
      {"event.b = event.a + 1 return event", R"({"a":9007199254740993})", R"({"a":9007199254740993,"b":9007199254740994})"},
      {"event.b = event.a return event", R"({"a":-9223372036854775808})",
       R"({"a":-9223372036854775808,"b":-9223372036854775808})"},
      {"event.b = math.type(event.a) return event", R"({"a":1.0})", R"({"a":1.0,"b":"float"})"},
      {"event.b = math.type(event.a) return event", R"({"a":18446744073709551617})",
       R"({"a":18446744073709551617,"b":"float"})"},
      {"event.b = type(event.a) return event", R"({"a":1e400})", R"({"a":1e400,"b":"string"})"},
      {"event.b = 1.0 event.c = 0.1 event.d = 1e100 event.e = -0.0 event.f = 100000000000000000000.0 return event", "{}",
       R"({"b":1.0,"c":0.1,"d":1e+100,"e":-0.0,"f":1e+20})"},
      {"event.b = 7 // 2 event.c = 7 / 2 return event", "{}", R"({"b":3,"c":3.5})"},
      {"event.a = 1 return event", R"({"a":1.0})", R"({"a":1})"},
      {"event.a = 1.0 return event", R"({"a":1})", R"({"a":1.0})"},
      {"event.p.x = 0/0 return event", R"({"p":{}})", "error: field 'p.x': not a number (NaN)"},
      {"event.p = {x = {1, -1/0}} return event", "{}", "error: field 'p.x[2]': infinity"},
  });
}

TEST_CASE("a number that was read keeps its digits wherever it is put") {
  check({
      {"event.b = event.a event.a = nil return event", R"({"a":18446744073709551617})", R"({"b":18446744073709551617})"},
      {"event.b = event.a return event", R"({"a":1e400})", R"({"a":1e400,"b":1e400})"},
      {"event.b = event.a return event", R"({"a":-1E+400})", R"({"a":-1E+400,"b":-1E+400})"},
      {"event.b = event.a return event", R"({"a":1.10})", R"({"a":1.10,"b":1.10})"},
      {"event.b = event.a return event", R"({"a":-0})", R"({"a":-0,"b":-0})"},
      {"event.b = {x = {event.a, event.c}} return event", R"({"a":1e2,"c":0.10})",
       R"({"a":1e2,"c":0.10,"b":{"x":[1e2,0.10]}})"},
      {"return {a = event.a, b = event.b}", R"({"a":123456789012345678901234567890,"b":1e999})",
       R"({"a":123456789012345678901234567890,"b":1e999})"},
      {"event.b = event.a * 2 return event", R"({"a":1.10})", R"({"a":1.10,"b":2.2})"},
      {"event.b = 1.1 return event", R"({"a":1.10})", R"({"a":1.10,"b":1.1})"},
      {"for i, v in ipairs(event.a) do event.b[i] = v end return event", R"({"a":[1.0,2.50,1e1],"b":[]})",
       R"({"a":[1.0,2.50,1e1],"b":[1.0,2.50,1e1]})"},
      {"event.b = event.a + 1 return event", R"({"a":1e400})", "error: field 'b': infinity"},
      {"event.b = event.a .. '!' return event", R"({"a":1e400})", R"({"a":1e400,"b":"1e400!"})"},
  });
}

TEST_CASE("and so does each of thousands of them") {
  std::string numbers;
  for (int i = 0; i < 3000; ++i) numbers += std::string(i == 0 ? "" : ",") + std::to_string(i) + ".10";
  numbers += ",18446744073709551617";
  TestChain chain("local t = {} for i, v in ipairs(event.a) do t[i] = v end event.b = t event.a = nil return event");
  CHECK(chain.run("{\"a\":[" + numbers + "]}") == "{\"b\":[" + numbers + "]}");
  CHECK(chain.run(R"({"a":[0.1]})") == R"({"b":[0.1]})");
}

TEST_CASE("strings are texts, whatever is in them") {
  check({
      {"event.b = event.a return event", R"({"a":"\ud83d\ude00\u0000\n\"\\"})",
       "{\"a\":\"\\ud83d\\ude00\\u0000\\n\\\"\\\\\",\"b\":\"\xf0\x9f\x98\x80\\u0000\\n\\\"\\\\\"}"},
      {"event.b = #event.a return event", R"({"a":"\u0000x"})", R"({"a":"\u0000x","b":2})"},
      {"event.b = 'a\\0b\\200' return event", "{}", R"({"b":"a\u0000b\ufffd"})"},
      {"event['k\"\\n'] = 1 return event", "{}", R"({"k\"\n":1})"},
      {"event.b = event['k\"'] return event", R"({"k\"":5})", R"({"k\"":5,"b":5})"},
      {"event[''] = event[''] + 1 return event", R"({"":5})", R"({"":6})"},
      {"event.a = event.a:upper() .. ('!'):rep(3) return event", R"({"a":"x"})", R"({"a":"X!!!"})"},
      {"event[('k'):rep(100)] = 1 event.b = event[('k'):rep(100)] return event", "{}",
       "{\"" + std::string(100, 'k') + "\":1,\"b\":1}"},
  });
}

TEST_CASE("null, nil and absence are three things") {
  check({
      {"event.b = event.a == nil event.c = event.n == app.null event.d = event.n == nil return event", R"({"n":null})",
       R"({"n":null,"b":true,"c":true,"d":false})"},
      {"event.b = app.null return event", "{}", R"({"b":null})"},
      {"event.b = type(app.null) return event", "{}", R"({"b":"null"})"},
      {"return event.p.x", R"({"p":null})", "error: app.lua:3: attempt to index app.null (field 'x')"},
      {"event.p.x = 1", R"({"p":null})", "error: attempt to assign to app.null (field 'x')"},
      {"return event.p.x", "{}", "error: attempt to index a nil value (field 'p')"},
      {"event.absent = nil return event", R"({"a":1})", R"({"a":1})"},
      {"event.b = {1, app.null, 3} return event", "{}", R"({"b":[1,null,3]})"},
  });
}

TEST_CASE("tables are stored as what they are") {
  check({
      {"event.b = {} return event", "{}", R"({"b":{}})"},
      {"event.b = app.array{} return event", "{}", R"({"b":[]})"},
      {"event.b = app.array() return event", "{}", R"({"b":[]})"},
      {"event.b = {1, 'x', true, {}} return event", "{}", R"({"b":[1,"x",true,{}]})"},
      {"event.b = {z = 1, a = {y = 2, b = {3}}} return event", "{}", R"({"b":{"a":{"b":[3],"y":2},"z":1}})"},
      {"local t = {a = 1} event.b = t t.a = 2 return event", "{}", R"({"b":{"a":1}})"},
      {"event.b = {1, nil, 3} return event", "{}", "error: field 'b': a table whose keys are"},
      {"event.b = {1, x = 2} return event", "{}", "error: field 'b': a table with both"},
      {"event.b = {[1.5] = 2} return event", "{}", "error: field 'b': a table whose keys are"},
      {"event.b = {[true] = 2} return event", "{}", "error: field 'b': a table whose keys are"},
      {"local t = {} t.t = {t} event.b = t return event", "{}", "error: field 'b.t[1]': a table that contains itself"},
      {"local t = {} for i = 1, 200 do t = {t} end event.b = t return event", "{}", "error: nested deeper than 128"},
      {"event.b = {x = print} return event", "{}", "error: field 'b.x': a function cannot be stored"},
      {"event.b = coroutine.create(print) return event", "{}", "error: field 'b': a thread cannot be stored"},
      {"event.b = {('x'):rep(1 << 20), 1} return event", "{}", "error: field 'b[1]': larger than 1 MiB"},
      {"local t = {1} event.b = {t, t} return event", "{}", R"({"b":[[1],[1]]})"},
      {"event.b = {p = event.p} return event", R"({"p":{"x":1.0}})", R"({"p":{"x":1.0},"b":{"p":{"x":1.0}}})"},
  });
}

TEST_CASE("objects and arrays behave like tables") {
  check({
      {"local s = '' for k, v in pairs(event) do s = s .. k .. '=' .. tostring(v) .. ';' end event.s = s return event",
       R"({"z":1,"a":"x","m":[1]})", R"({"z":1,"a":"x","m":[1],"s":"z=1;a=x;m=[1];"})"},
      {"local s = 0 for i, v in ipairs(event.a) do s = s + i * v end event.s = s return event", R"({"a":[3,2,1]})",
       R"({"a":[3,2,1],"s":10})"},
      {"local n = 0 for i, v in ipairs(event.a) do n = n + 1 end return n == 3 and event or nil", R"({"a":[1,null,3]})",
       R"({"a":[1,null,3]})"},
      {"event.n = #event.a event.m = #event.o return event", R"({"a":[1,2],"o":{"x":1}})",
       R"({"a":[1,2],"o":{"x":1},"n":2,"m":0})"},
      {"event.k, event.v = next(event) return event", R"({"a":1})", R"({"a":1,"v":1,"k":"a"})"},
      {"event.e = next(event.o) == nil return event", R"({"o":{}})", R"({"o":{},"e":true})"},
      {"for k in next, event.o do event.o[k] = nil end return event", R"({"o":{"a":1,"b":2}})", R"({"o":{}})"},
      {"for k, v in pairs(event) do if v == 1 then event[k] = nil end end return event", R"({"a":1,"b":2,"c":1,"d":3})",
       R"({"b":2,"d":3})"},
      {"table.insert(event.a, 3) return event", R"({"a":[1,2]})", R"({"a":[1,2,3]})"},
      {"table.insert(event.a, 1, 0) return event", R"({"a":[1,2]})", R"({"a":[0,1,2]})"},
      {"event.x = table.remove(event.a, 1) return event", R"({"a":[1,2,3]})", R"({"a":[2,3],"x":1})"},
      {"event.s = table.concat(event.a, '-') return event", R"({"a":[1,2]})", R"({"a":[1,2],"s":"1-2"})"},
      {"table.sort(event.a) return event", R"({"a":[3,1,2]})", R"({"a":[1,2,3]})"},
      {"event.x = select('#', table.unpack(event.a)) return event", R"({"a":[1,null]})", R"({"a":[1,null],"x":2})"},
      {"event.a[2] = nil return event", R"({"a":[1,2,3]})", R"({"a":[1,3]})"},
      {"event.a[#event.a] = nil event.n = #event.a return event", R"({"a":[1,2]})", R"({"a":[1],"n":1})"},
      {"for i, v in pairs(event.a) do if v < 3 then event.a[i] = nil end end return event", R"({"a":[1,5,2,6]})",
       R"({"a":[5,6]})"},
      {"event.a[9] = 1 return event", R"({"a":[1]})", "error: field 'a[9]': the array has 1 elements; append at 2"},
      {"event.a.x = 1 return event", R"({"a":[1]})", "error: field 'a' is an array"},
      {"event.o[1] = 1 return event", R"({"o":{"x":1}})", "error: field 'o' is an object"},
      {"event.b = {} table.insert(event.b, 'x') event.b[2] = 'y' return event", "{}", R"({"b":["x","y"]})"},
      {"event.x = event.a[0] == nil and event.a.foo == nil and event.a[3] == nil return event", R"({"a":[1]})",
       R"({"a":[1],"x":true})"},
      {"event.x = event.p == event.p return event", R"({"p":{}})", R"({"p":{},"x":true})"},
      {"event.x = type(event.p) .. type(event) return event", R"({"p":{}})", R"({"p":{},"x":"tabletable"})"},
      {"event.x = tostring(event.p) return event", R"({"p":{"a": 1}})", R"({"p":{"a": 1},"x":"{\"a\": 1}"})"},
      {"for k, v in pairs(event) do event[k .. 'x'] = v end return event", R"({"a":1,"b":2})",
       R"({"a":1,"b":2,"ax":1,"bx":2})"},
      {"for i, v in pairs(event.a) do table.insert(event.a, v * 10) end return event", R"({"a":[1,2]})",
       R"({"a":[1,2,10,20]})"},
      {"for k in pairs(event.o) do event.o[k] = nil event.o[k .. '2'] = 1 end return event", R"({"o":{"a":1,"b":2}})",
       R"({"o":{"a2":1,"b2":1}})"},
      {"for k, v in pairs(event.o) do for k2 in pairs(event.o) do event.n = event.n + 1 end end return event",
       R"({"o":{"a":1,"b":2,"c":3},"n":0})", R"({"o":{"a":1,"b":2,"c":3},"n":9})"},
      {"for k, v in pairs(event.o) do event.o[k] = nil end event.e = next(event.o) == nil return event",
       R"({"o":{"a":1,"b":{"c":2}}})", R"({"o":{},"e":true})"},
      {"event.x = next(event.o, 'a') return event", R"({"o":{"a":1,"b":2}})", R"({"o":{"a":1,"b":2},"x":"b"})"},
      {"event.x = event.a[1.0] event.y = event.a['1'] return event", R"({"a":[7]})", R"({"a":[7],"x":7})"},
      {"local t = table.move(event.a, 1, 2, 1, {}) t[3] = 3 event.b = t return event", R"({"a":[1,2]})",
       R"({"a":[1,2],"b":[1,2,3]})"},
      {"local t = {table.unpack(event.a)} event.n = #t return event", R"({"a":[1,{"x":1},"s"]})",
       R"({"a":[1,{"x":1},"s"],"n":3})"},
      {"table.sort(event.a, function(x, y) return x.n > y.n end) return event", R"({"a":[{"n":1},{"n":3.0},{"n":2}]})",
       R"({"a":[{"n":3.0},{"n":2},{"n":1}]})"},
      {"event.a[1] = nil event.a[1] = 5 return event", R"({"a":[1,2]})", R"({"a":[5,2]})"},
      {"while #event.a > 0 do table.remove(event.a) end return event", R"({"a":[1,2,3]})", R"({"a":[]})"},
      {"event.x = ('%s %d'):format(event.p, event.n) return event", R"({"p":{"a":1},"n":3})",
       R"({"p":{"a":1},"n":3,"x":"{\"a\":1} 3"})"},
      {"event.a[#event.a + 1] = event.a return event", R"({"a":[1]})", R"({"a":[1,[1]]})"},
      {"event['\\xff'] = 1 return event", "{}", "error: the event: a key that is not valid UTF-8"},
      {"event.o = {['\\xff'] = 1} return event", "{}", "error: field 'o': a key that is not valid UTF-8"},
      {"event[('x'):rep(70000)] = 1 return event", "{}", "error: the event: a key larger than 64 KiB"},
      {"event[('\\1'):rep(15 << 20)] = 1 return event", "{}", "error: the event: a key larger than 64 KiB"},
      {"event['a\\0b'] = 1 event.x = event['a\\0b'] return event", "{}", R"({"a\u0000b":1,"x":1})"},
      {"event.x = event['\\u{1F600}'] return event", R"({"\ud83d\ude00":1})", R"({"\ud83d\ude00":1,"x":1})"},
      {"table.remove(event.a) event.a[#event.a] = nil event.a[0] = nil return event", R"({"a":[]})", R"({"a":[]})"},
      {"pcall(function() event.o[1] = print end) return event", R"({"o":{}})", R"({"o":{}})"},
      {"setmetatable(event, {}) return event", "{}", "error: bad argument #1 to 'setmetatable' (table expected"},
      {"event.x = getmetatable(event) return event", "{}", R"({"x":false})"},
  });
}

TEST_CASE("a walk may change every member of a large object") {
  std::string in = "{";
  for (int i = 0; i < 50'000; ++i) in += "\"k" + std::to_string(i) + "\":1,";
  check({{"for key in pairs(event) do if key ~= 'last' then event[key] = nil end end return event", in + "\"last\":2}",
          R"({"last":2})"}});
}

TEST_CASE("parts are values: copied, moved, never shared") {
  check({
      {"event.b = event.a event.a.x = 2 return event", R"({"a":{"x":1}})", R"({"a":{"x":2},"b":{"x":1}})"},
      {"event.b = event.a event.b.x = 2 return event", R"({"a":{"x":1}})", R"({"a":{"x":1},"b":{"x":2}})"},
      {"event.b = event.a event.a = nil return event", R"({"a":{ "x":1.0}})", R"({"b":{ "x":1.0}})"},
      {"local a = event.a event.a = nil a.x = 2 event.b = a return event", R"({"a":{"x":1}})", R"({"b":{"x":2}})"},
      {"local a = event.a event.a = 1 a.x = 2 return event", R"({"a":{"x":1},"c":3})", R"({"a":1,"c":3})"},
      {"event.a.self = event return event", R"({"a":{}})", R"({"a":{"self":{"a":{}}}})"},
      {"event.a.b.c.d = 1 return event", R"({"a":{"b":{"c":{"z":[1.0]}}}})", R"({"a":{"b":{"c":{"z":[1.0],"d":1}}}})"},
      {"event.a, event.b = event.b, event.a return event", R"({"a":[1],"b":{"x":2}})", R"({"a":{"x":2},"b":[1]})"},
      {"event.a[1], event.a[2] = event.a[2], event.a[1] return event", R"({"a":[[1],[2]]})", R"({"a":[[2],[1]]})"},
      {"for i = 1, 100 do event['x' .. i] = event end return event", R"({"a":1})", "error: larger than 1 MiB"},
      {"for i = 1, 200 do event.x = event end return event", R"({"a":1})", "error: field 'x': nested deeper than 128"},
  });
}

TEST_CASE("what transform returns decides") {
  check({
      {"for i = 1, 3 do event['k' .. i] = ('x'):rep(1000000) end return {event}", "{}",
       "error: the returned event 1 is larger than 2 MiB"},
      {"return nil", "{}", "drop"},
      {"", "{}", "drop"},
      {"return {}", "{}", "drop"},
      {"return app.array{}", "{}", "drop"},
      {"return {b = 1, a = event.x}", R"({"x":[1.0]})", R"({"a":[1.0],"b":1})"},
      {"return {event}", R"({"a":1})", R"({"a":1})"},
      {"return {event, event}", R"({"a":1})", R"({"a":1} {"a":1})"},
      {"return {{n = 1}, event, event.p}", R"({"p":{"x":1}})", R"({"n":1} {"p":{"x":1}} {"x":1})"},
      {"return event.p", R"({"p":{"x":1}})", R"({"x":1})"},
      {"return event.list", R"({"list":[{"a":1},{"b":2}]})", R"({"a":1} {"b":2})"},
      {"return {{}, {}}", "{}", "{} {}"},
      {"return event.list", R"({"list":[{"a":1},2]})", "error: the returned event 2 is no object but a number"},
      {"return 5", "{}", "error: transform returned a number"},
      {"return app.null", "{}", "error: transform returned a JSON null"},
      {"return {event = 'b', {event = 'x'}}", "{}", "error: transform returned a list of events that also has the key 'event'"},
      {"return {[1] = event, [3] = event}", "{}", "error: transform returned a list of events with holes"},
      {"return {x = 0/0}", "{}", "error: the returned event.x: not a number"},
      {"return {{x = {print}}}", "{}", "error: the returned event 1.x[1]: a function"},
      {"error('no')", "{}", "error: app.lua:3: no"},
      {"error({})", "{}", "error: app.lua:3: {}"},
      {"error({code = 5, at = event.p})", R"({"p":[1.0]})", R"(error: app.lua:3: {"at":[1.0],"code":5})"},
      {"error({f = print})", "{}", "error: app.lua:3: error value is a table"},
      {"error('as it is', 0)", "{}", "error: as it is"},
      {"return {{uuid = '01890a5d-ac96-774b-bcce-b302099a8058'}, {uuid = 'x'}}", "{}",
       R"({"uuid":"01890a5d-ac96-774b-bcce-b302099a8058"} {"uuid":"x"})"},
  });
}

TEST_CASE("a computed float takes the digits of an equal one that was read from the same event, an integer never does") {
  check({
      {"event.b = event.a event.c = 2.0^53 return event", R"({"a":9007199254740993.0})",
       R"({"a":9007199254740993.0,"b":9007199254740993.0,"c":9007199254740993.0})"},
      {"event.c = 2.0^53 return event", R"({"a":9007199254740993.0})", R"({"a":9007199254740993.0,"c":9007199254740992.0})"},
      {"local a = event.a event.c = 1 << 53 return event", R"({"a":9007199254740993.0})",
       R"({"a":9007199254740993.0,"c":9007199254740992})"},
      {"local a = event.a event.c = event.n * 2 return event", R"({"a":1.10,"n":0.55})", R"({"a":1.10,"n":0.55,"c":1.10})"},
      {"event.c = (event.a + 1) // 1 | 0 return event", R"({"a":9007199254740991})",
       R"({"a":9007199254740991,"c":9007199254740992})"},
  });
}

TEST_CASE("several apps together make no more than ten thousand events of one") {
  const std::string split = transform("local l = {} for i = 1, event.k do l[i] = event end return l");
  TestChain chain(std::vector<TestApp>{{.name = "a", .lua = split}, {.name = "b", .lua = split}});
  CHECK(chain.run(R"({"k":200})") == "error: more than 10000 events were made of one");
  CHECK(chain.out.app == "b");
  CHECK(chain.run(R"({"k":2})") == R"({"k":2} {"k":2} {"k":2} {"k":2})");
}

TEST_CASE("facts are there, and follow canonical fields") {
  check({
      {"local f = event:facts() return {u = f.uuid, e = f.event, d = f.distinct_id, t = f.timestamp, s = f.source, p = "
       "f.person_id}",
       "{}", R"({"d":"u1","e":"signup","s":"web","t":1700000000000,"u":"01890a5d-ac96-774b-bcce-b302099a8057"})"},
      {"event.x = event.facts event.y = app.facts().event return event", R"({"facts":1})",
       R"({"facts":1,"x":1,"y":"signup"})"},
      {"event.event = 'b' event.x = app.facts().event return event", R"({"event":"signup"})",
       R"({"event":"b","x":"signup"})"},
  });
  check(
      {
          {"event.event = 'b' event.x = app.facts().event return event", R"({"event":"signup"})",
           R"({"event":"b","x":"b"})"},
          {"event.distinct_id = 7 event.x = app.facts().distinct_id return event", "{}", R"({"distinct_id":7,"x":"7"})"},
          {"event.distinct_id = nil event.x = app.facts().distinct_id == nil return event", R"({"distinct_id":"a"})",
           R"({"x":true})"},
          {"event.timestamp = '2026-08-01T10:00:00Z' event.x = app.facts().timestamp return event", "{}",
           R"({"timestamp":"2026-08-01T10:00:00Z","x":1785578400000})"},
          {"event.timestamp = 'soon' return event", "{}", "error: field 'timestamp': expected a time"},
          {"event.uuid = 'x' return event", "{}", "error: field 'uuid': expected a uuid, got \"x\""},
          {"event.event = nil return event", R"({"event":"a"})", "error: field 'event': expected the event's name, got nil"},
          {"event.event = {} return event", R"({"event":"a"})", "error: field 'event': expected the event's name, got {}"},
          {"event.properties.event = 5 return event", R"({"properties":{}})", R"({"properties":{"event":5}})"},
      },
      true);
}
