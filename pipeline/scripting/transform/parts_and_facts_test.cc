// What a Lua author may expect of parts that move, of tables that are returned, and of the facts beside the body.

#include <doctest/doctest.h>

#include "pipeline/scripting/transform/case_table.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

TEST_CASE("a returned table is held to what its fields may be") {
  check(
      {
          {"return {event = 'a', uuid = 'x'}", "{}", "error: field 'uuid': expected a uuid"},
          {"return {event = 'a', timestamp = 'soon'}", "{}", "error: field 'timestamp': expected a time"},
          {"return {{event = 'a'}, {event = 'b', uuid = 1}}", "{}", "error: the returned event 2: field 'uuid'"},
          {"return {event = 'a', uuid = event.uuid, timestamp = event.timestamp}", R"({"uuid":"x","timestamp":{}})",
           R"({"event":"a","timestamp":{},"uuid":"x"})"},
      },
      true);
}

TEST_CASE("the distinct id in properties is the fact when there is none at the top") {
  const std::string in = R"({"event":"a","properties":{"distinct_id":"u1"}})";
  for (const auto& [lua, id] : std::vector<std::pair<std::string, std::string>>{
           {"event.properties.distinct_id = 'hash' return event", "hash"},
           {"event.properties.distinct_id = nil return event", ""},
           {"event.properties = {distinct_id = 'hash'} return event", "hash"},
           {"event.properties = nil return event", ""},
           {"local p = event.properties p.distinct_id = 7 return event", "7"},
           {"event.properties.nested = {distinct_id = 'other'} return event", "u1"},
           {"return {event = 'a', properties = {distinct_id = 'hash'}}", "hash"},
           {"return {{event = 'a', properties = {distinct_id = 'hash'}}, event}", "hash"},
           {"return {event = 'a', properties = {}}", "u1"},
           {"event.distinct_id = 'top' event.distinct_id = nil return event", "u1"},
           {"event.distinct_id = 'top' event.properties.distinct_id = 'hash' return event", "top"},
           {"local x = app.facts().distinct_id event.properties.distinct_id = x:upper() return event", "U1"}}) {
    CAPTURE(lua);
    TestChain chain(lua);
    chain.run(in, true);
    REQUIRE(!chain.out.events.empty());
    CHECK(chain.out.events[0].facts.distinct_id == id);
  }
}

TEST_CASE("parts of a split event that have uuids of their own keep them") {
  TestChain chain(
      "return {{event = 'a', uuid = '01890a5d-ac96-774b-bcce-b302099a8058'}, event, event, "
      "{event = 'b', uuid = '01890a5d-ac96-774b-bcce-b302099a8058'}}");
  chain.run(R"({"event":"a","uuid":"01890a5d-ac96-774b-bcce-b302099a8057"})", true);
  REQUIRE(chain.out.events.size() == 4);
  CHECK(chain.out.events[0].facts.uuid.to_string() == "01890a5d-ac96-774b-bcce-b302099a8058");
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string uuid = chain.out.events[i].facts.uuid.to_string();
    CHECK(uuid != "01890a5d-ac96-774b-bcce-b302099a8057");
    CHECK(std::string(chain.out.events[i].body).find(uuid) != std::string::npos);
    for (std::size_t k = 0; k < i; ++k) CHECK(chain.out.events[k].facts.uuid != chain.out.events[i].facts.uuid);
  }
}

TEST_CASE("elements that were looked into move with their array") {
  check({
      {"local x = event.a[1] table.insert(event.a, 1, {n = 0}) x.n = 5 return event", R"({"a":[{"n":1},{"n":2}]})",
       R"({"a":[{"n":0},{"n":5},{"n":2}]})"},
      {"local x = event.a[2] table.remove(event.a, 1) x.n = 5 return event", R"({"a":[{"n":1},{"n":2.0}]})",
       R"({"a":[{"n":5}]})"},
      {"local x = table.remove(event.a, 1) event.x = x.n return event", R"({"a":[{"n":1.0},{"n":2.0}]})",
       R"({"a":[{"n":2.0}],"x":1.0})"},
      {"event.x = table.remove(event.a) return event", R"({"a":[1.0,2.50]})", R"({"a":[1.0],"x":2.50})"},
      {"local x = event.a[1] table.insert(event.a, 1.0, {n = 0}) x.n = 5 return event", R"({"a":[{"n":1}]})",
       R"({"a":[{"n":0},{"n":5}]})"},
      {"local x = event.a[1] table.insert(event.a, '1', {n = 0}) x.n = 5 return event", R"({"a":[{"n":1}]})",
       R"({"a":[{"n":0},{"n":5}]})"},
      {"local x = event.a[2] table.remove(event.a, 1.0) x.n = 5 return event", R"({"a":[1,{"n":1}]})", R"({"a":[{"n":5}]})"},
      {"for i = 1, 3 do table.insert(event.a, i, i) end return event", R"({"a":[7.0 , 8.0]})", R"({"a":[1,2,3,7.0 , 8.0]})"},
      {"table.move(event.a, 1, 3, 3) return event", R"({"a":[1,2,3]})", R"({"a":[1,2,1,2,3]})"},
      {"table.move(event.a, 2, 3, 1) return event", R"({"a":[{"x":1},{"y":2},{"z":3}]})",
       R"({"a":[{"y":2},{"z":3},{"z":3}]})"},
      {"table.move({7, 8}, 1, 2, 2, event.a) return event", R"({"a":[1]})", R"({"a":[1,7,8]})"},
      {"event.t = table.concat(table.move(event.a, 1, 2, 1, {}), ',') return event", R"({"a":[1,2]})",
       R"({"a":[1,2],"t":"1,2"})"},
  });
}

TEST_CASE("a walk ends where it began, whatever walks lie in it") {
  check({
      {"for k in pairs(event.o) do for _ in pairs(event.o) do end event.o[k .. 'x'] = 1 end return event",
       R"({"o":{"a":1,"b":2}})", R"({"o":{"a":1,"b":2,"ax":1,"bx":1}})"},
      {"for i in pairs(event.a) do for _ in pairs(event.a) do break end table.insert(event.a, i) end return event",
       R"({"a":[7,8]})", R"({"a":[7,8,1,2]})"},
      {"for k in pairs(event.o) do if next(event.o) ~= nil then event.o[k .. 'x'] = 1 end end return event",
       R"({"o":{"a":1}})", R"({"o":{"a":1,"ax":1}})"},
      {"local s = '' for a in pairs(event.o) do for b in pairs(event.o) do s = s .. a .. b .. ' ' end end return {s = s}",
       R"({"o":{"a":1,"b":2}})", R"({"s":"aa ab ba bb "})"},
      {"for k in pairs(event.o) do event.o[k] = nil for _ in pairs(event.o) do end end return event",
       R"({"o":{"a":1,"b":2,"c":3}})", R"({"o":{}})"},
  });
}

TEST_CASE("removing what cannot be there is no error") {
  check({
      {"event.r = table.remove(event.o) return event", R"({"o":{}})", R"({"o":{}})"},
      {"event.a[0] = nil event.a.x = nil event.o[1] = nil return event", R"({"a":[1.0],"o":{}})", R"({"a":[1.0],"o":{}})"},
      {"return setmetatable({}, {__index = event})", "{}",
       "error: transform returned a table that has only what its metatable"},
      {"return app.settings", "{}", "error: transform returned a table that has only what its metatable gives"},
  });
}

TEST_CASE("what an object, an array or null cannot do is told in the words of a script") {
  check({
      {"return event.p + 1", R"({"p":{}})",
       "error: app.lua:3: attempt to calculate with a value that is an object of the event"},
      {"return 1 / event.p", R"({"p":[1]})",
       "error: app.lua:3: attempt to calculate with a value that is an array of the event"},
      {"return -event.p", R"({"p":null})", "error: app.lua:3: attempt to calculate with a value that is a null (app.null)"},
      {"return 'x' .. event.p", R"({"p":null})",
       "error: app.lua:3: attempt to concatenate a value that is a null (app.null)"},
      {"return event.p()", R"({"p":{}})", "error: app.lua:3: attempt to call a value that is an object of the event"},
      {"return event.p < 3", R"({"p":null})", "error: app.lua:3: attempt to compare null (app.null) with number"},
      {"for _ in ipairs(event.p) do end", "{}", "error: app.lua:3: bad argument #1 to 'ipairs' (table expected, got nil)"},
      {"table.sort({1, 'a'})", "{}", "error: app.lua:3: attempt to compare"},
      {"event.facts = nil event.e = event:facts().event return event", R"({"facts":1})", R"({"e":"signup"})"},
  });
}

TEST_CASE("event:facts() is there whatever a field of that name holds, and nothing else can be called for it") {
  for (const char* facts : {"1", "1.5", "\"x\"", "true", "false", "null", "{}", "[1]", R"({"event":"mine"})", "1e400"}) {
    CAPTURE(facts);
    const std::string body = std::string(R"({"facts":)") + facts + "}";
    check({
        {"local f = event:facts() return {e = f.event, s = f.source}", body.c_str(), R"({"e":"signup","s":"web"})"},
        {"local function f() return event:facts() end return {e = f().event}", body.c_str(), R"({"e":"signup"})"},
        {"return {e = coroutine.wrap(function() return event:facts().event end)()}", body.c_str(), R"({"e":"signup"})"},
        {"event.same = event.facts == event.facts return {s = event.same}", body.c_str(), R"({"s":true})"},
    });
  }
  check({
      {"return event.facts(event)", R"({"facts":1})", "error: app.lua:3: attempt to call a number value (field 'facts')"},
      {"return event.p:facts()", R"({"p":{"facts":"x"}})",
       "error: app.lua:3: attempt to call a string value (method 'facts')"},
      {"return event:name()", R"({"name":true})", "error: app.lua:3: attempt to call a boolean value (method 'name')"},
      {"local five = 5 return five(event)", "{}", "error: app.lua:3: attempt to call a number value (local 'five')"},
      {"return pcall(5, event)", "{}", "error: "},
      {"event.m = tostring(getmetatable(5)) .. tostring(getmetatable(true)) return event", "{}", R"({"m":"nilnil"})"},
      {"getmetatable() return event", "{}", "error: app.lua:3: bad argument #1 to 'getmetatable' (value expected)"},
  });
}

TEST_CASE("objects of many thousand members are as quick as others") {
  check({
      {"for i = 1, 10000 do event['k' .. i] = i end for i = 1, 10000 do event['n' .. i] = event['k' .. i] event['k' .. i] = "
       "nil "
       "end local n = 0 for _ in pairs(event) do n = n + 1 end return {n = n, last = event.n10000}",
       "{}", R"({"last":10000,"n":10000})"},
  });
}

TEST_CASE("app.set says false and changes nothing where there is no place") {
  check({
      {"event.ok = app.set(event, 'list.x', 1) return event", R"({"list":[1,2]})", R"({"list":[1,2],"ok":false})"},
      {"event.ok = app.set(event, 'list.3', 1) return event", R"({"list":[1,2]})", R"({"list":[1,2],"ok":false})"},
      {"event.ok = app.set(event, 'list.9.x', 1) return event", R"({"list":[1,2]})", R"({"list":[1,2],"ok":false})"},
      {"event.ok = app.set(event, 'list.2', 1.5) return event", R"({"list":[1,2]})", R"({"list":[1,1.5],"ok":true})"},
      {"event.ok = app.set(event, 'n.x', 1) return event", R"({"n":null})", R"({"n":null,"ok":false})"},
      {"event.ok = app.set(event, 'a.b.c', {1}) return event", "{}", R"({"a":{"b":{"c":[1]}},"ok":true})"},
      {"event.ok = pcall(app.set, event, 'a.b.c', print) return event", "{}", R"({"ok":false})"},
      {"local t = {} event.ok = app.set(t, 'a.b', 1) event.t = t return event", "{}", R"({"ok":true,"t":{"a":{"b":1}}})"},
  });
}

TEST_CASE("an event that grows by parts of its own ends at the limits as well") {
  const std::string body = R"({"list":[],"properties":{"a":")" + std::string(200'000, 'x') + R"("}})";
  const auto run = [&](const char* lua) {
    TestChain chain(lua);
    return chain.run(body).substr(0, 100);
  };
  CHECK(run("for i = 1, 20 do event['c' .. i] = event.properties end return event") ==
        "error: the event is 4200324 bytes now; the limit is 2 MiB");
  CHECK(run("for i = 1, 20 do event.c = event.properties end event.c, event.properties = nil, nil return event") ==
        R"({"list":[]})");
  for (const char* lua : {
           "for i = 1, 500 do event['c' .. i] = event.properties end",
           "for i = 1, 500 do table.insert(event.list, event.properties) end",
           "for i = 1, 500 do table.insert(event.list, 1, event.properties) end",
       }) {
    CAPTURE(std::string(lua));
    CHECK(run(lua) == "error: app.lua:3: more than 64 MiB were assigned to one event");
  }
}
