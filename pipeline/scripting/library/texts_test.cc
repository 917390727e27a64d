// JSON, codings, hashes and the log, with odd inputs.

#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock::scripting::testing;

TEST_CASE("JSON that was decoded is encoded again with the same meaning") {
  Surroundings lua;
  for (const char* json : {"null", "true", "[]", "{}", "[[],{}]", "[null,1,null]", "9223372036854775807",
                           "-9223372036854775808", "1.0", "1.10", "1e400", "-0", "-0.0", "123456789012345678901234567890",
                           R"("\u0000 \" \\ é 😀")", R"({"":{"a":[1,{"b":2.50}]}})", R"([1,"1",1.0])"}) {
    CAPTURE(json);
    const std::string again = lua.run("return app.json.encode(app.json.decode([==[" + std::string(json) + "]==]))");
    CHECK(again == lua.run("return app.json.encode(app.json.decode([==[" + again + "]==]))"));
    if (std::string_view(json).find('\\') == std::string_view::npos) CHECK(again == json);
  }
}

TEST_CASE("JSON is decoded into tables of their own") {
  check(
      {{R"(app.json.decode([[ {"a" : [1, {"b" : "\u00e9"}] } ]]).a[2].b)", R"("é")"},
       {R"(app.json.decode('{"a":1,"a":2}').a)", "2"},
       {R"(#app.json.decode('[1,null,3]'))", "3"},
       {R"(app.json.decode('[null]')[1] == app.null)", "true"},
       {R"(math.type(app.json.decode('1.0')))", R"("float")"},
       {R"(math.type(app.json.decode('9007199254740993')))", R"("integer")"},
       {R"(app.json.decode('1e400'))", "1e400"},
       {R"(type(app.json.decode('1e400')))", R"("string")"},
       {R"(app.json.decode([["a,]}\\"]]))", R"("a,]}\\")"},
       {R"(app.json.decode([["\ud83d"]]))", R"("�")"},
       {R"((function() local t = app.json.decode('[]') table.insert(t, 1) return t end)())", "[1]"},
       {R"((function() event.properties = app.json.decode('{"n":1.50}') return event.properties end)())", R"({"n":1.50})"}});
}

TEST_CASE("what is no JSON gives nil and a message") {
  Surroundings lua;
  for (const char* text : {"''", "' '", "'{'", "'tru'", "'01'", "'[1,]'", "'{} {}'", "'\"\\1\"'", "'\\xff'", "'{a:1}'",
                           "'NaN'", "('['):rep(200) .. (']'):rep(200)", "'\"' .. ('x'):rep(1100000) .. '\"'"}) {
    CAPTURE(text);
    const std::string answer = lua.eval("{select('#', app.json.decode(" + std::string(text) +
                                        ")), (select(2, app.json.decode(" + std::string(text) + ")))}");
    CHECK(answer.starts_with("[2,\""));
    CHECK(answer.size() > 12);
  }
}

TEST_CASE("what has no JSON is an error that names the field") {
  Surroundings lua;
  for (const auto& [expression, message] : Table{{"0/0", "not a number"},
                                                 {"{a = {b = 1/0}}", "infinity"},
                                                 {"{f = print}", "function"},
                                                 {"{1, nil, 3}", "1 to n"},
                                                 {"{1, a = 2}", "both"},
                                                 {"{[1.5] = 1}", "neither"},
                                                 {"(function() local t = {} t.t = t return t end)()", "itself"},
                                                 {"('x'):rep(1100000)", "1 MiB"},
                                                 {"coroutine.create(print)", "thread"}}) {
    CAPTURE(expression);
    const std::string answer = lua.eval(expression);
    CHECK(answer.starts_with("error: test:1:"));
    CHECK(answer.find(message) != std::string::npos);
  }
  CHECK(lua.eval("app.json.encode()").find("value expected") != std::string::npos);
}

TEST_CASE("what would be more than 1 MiB of JSON is refused before it is made") {
  Surroundings lua;
  for (const char* value :
       {"('\\1'):rep(15 << 20)", "{('\\xff'):rep(15 << 20)}", "{[('\\1'):rep(15 << 20)] = 1}", "('\\1'):rep(180000)"}) {
    CAPTURE(value);
    const std::string answer = lua.eval(value);
    CHECK(answer.starts_with("error: test:1: the value"));
    CHECK(answer.ends_with(": larger than 1 MiB"));
    CHECK(answer.size() < 200);
  }
  CHECK(lua.run("return tostring(#app.json.encode(('\\1'):rep(170000)))") == "1020002");
  CHECK(lua.eval("app.state.set('k', ('\\1'):rep(15 << 20))").ends_with("larger than 1 MiB"));
  CHECK_FALSE(lua.vm().spent());
}

TEST_CASE("base64 of odd texts") {
  check({{"app.base64.encode('')", R"("")"},
         {"app.base64.encode('a')", R"("YQ==")"},
         {"app.base64.encode('ab')", R"("YWI=")"},
         {"app.base64.encode('abc')", R"("YWJj")"},
         {"app.base64.encode('\\xfb\\xff\\xfe')", R"("+//+")"},
         {"app.base64.encode('\\xfb\\xff\\xfe', 'url')", R"("-__-")"},
         {"app.base64.decode('')", R"("")"},
         {"app.base64.decode('YQ')", R"("a")"},
         {"app.base64.decode('YQ==')", R"("a")"},
         {"app.base64.decode('-__-', 'url') == '\\xfb\\xff\\xfe'", "true"},
         {"app.base64.decode('-__-')", "null"},
         {"app.base64.decode('YQ=')", "null"},
         {"app.base64.decode('YR==')", "null"},
         {"app.base64.decode('Y')", "null"},
         {"app.base64.decode('YW Jj')", "null"},
         {"app.base64.decode('YQ==YQ==')", "null"},
         {"app.base64.decode('====')", "null"},
         {"select(2, app.base64.decode('?'))", R"("not base64")"},
         {"app.base64.decode(app.base64.encode(('\\0\\xff'):rep(5000))) == ('\\0\\xff'):rep(5000)", "true"}});
  CHECK(Surroundings().eval("app.base64.encode('a', 'mime')").find("expected 'standard' or 'url'") != std::string::npos);
}

TEST_CASE("hexadecimal of odd texts") {
  check({{"app.hex.encode('')", R"("")"},
         {"app.hex.encode('\\0\\xff')", R"("00ff")"},
         {"app.hex.decode('')", R"("")"},
         {"app.hex.decode('4a4B')", R"("JK")"},
         {"app.hex.decode('4')", "null"},
         {"app.hex.decode('4g')", "null"},
         {"app.hex.decode('0x4a')", "null"},
         {"app.hex.decode(' 4a')", "null"},
         {"app.hex.decode(app.hex.encode(('\\0\\xff'):rep(5000))) == ('\\0\\xff'):rep(5000)", "true"}});
}

TEST_CASE("hashes of odd texts") {  // the HMACs are RFC 4231's and RFC 2202's
  check(
      {{"app.sha256('')", R"("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")"},
       {"app.sha256(('a'):rep(1000000))", R"("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")"},
       {"app.sha256('\\0') == app.sha256('')", "false"},
       {"app.hmac('', '')", R"("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")"},
       {"app.hmac('Jefe', 'what do ya want for nothing?')",
        R"("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")"},
       {"app.hmac('Jefe', 'what do ya want for nothing?', 'sha1')", R"("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")"},
       {"app.hmac('Jefe', 'what do ya want for nothing?', 'sha384')",
        R"("af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649")"},
       {"app.hmac('Jefe', 'what do ya want for nothing?', 'sha512')",
        R"("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737")"},
       {"app.hmac(('\\xaa'):rep(131), 'Test Using Larger Than Block-Size Key - Hash Key First')",
        R"("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")"}});
  CHECK(Surroundings().eval("app.hmac('a', 'b', 'md5')").find("expected 'sha1', 'sha256'") != std::string::npos);
}

TEST_CASE("the log shows what it is given") {
  for (const auto& [arguments, line] : Table{{"'plain'", "plain"},
                                             {"'error', 'x'", "x"},
                                             {"'user', 5", "user 5"},
                                             {"'warn', 1, true, nil", "1 true nil"},
                                             {"{b = 1.0, a = {}}", R"({"a":{},"b":1.0})"},
                                             {"event.properties", R"({"plan":"pro","email":"ann@example.com"})"},
                                             {"app.null", "null"},
                                             {"nil", "nil"},
                                             {"'info', app.array{}", "[]"},
                                             {"{1, nil, 3}",
                                              "(no JSON: the message: a table whose keys are not 1 to n: use app.null "
                                              "for empty places)"},
                                             {"setmetatable({}, {__tostring = function() return 'own' end})", "own"}}) {
    CAPTURE(arguments);
    Surroundings lua;
    CHECK(lua.eval("app.log(" + arguments + ")") == "null");
    CHECK(lua.logged == line + "\n");
  }
  Surroundings lua;
  CHECK(lua.eval("app.log(('x'):rep(1999), 'y', 'z', ('a'):rep(15 << 20))") == "null");
  CHECK(lua.logged == std::string(1999, 'x') + " \n");
  CHECK(lua.eval("app.log({('\\1'):rep(15 << 20)}, 'y')") == "null");
  CHECK(lua.logged.ends_with(" \n(no JSON: the message[1]: larger than 1 MiB) y\n"));
  lua.logged.clear();
  for (const char* wrong : {"", "{}:x()"}) {
    CAPTURE(wrong);
    CHECK(lua.eval("app.log(" + std::string(wrong) + ")").starts_with("error: test:1:"));
  }
  CHECK(lua.logged.empty());
}

TEST_CASE("long texts and arrays are charged by what they take") {
  for (const std::string script : {
           "local t = ('x'):rep(4 << 20) return app.hmac('k', t, 'sha512')",
           "local t = ('x'):rep(4 << 20) return app.sha256(t)",
           "local k = ('k'):rep(4 << 20) return type(event[k])",
           "local a = {} for i = 1, 10000 do a[i] = i end event.a = a local t = event.a "
           "for i = 1, 400 do table.remove(t, 1) end return 'removed'",
       }) {
    CAPTURE(script);
    CHECK(Surroundings({.instructions_max = 1'000'000})
              .run(script)
              .starts_with("error: test:1: instruction limit of 1000000"));
  }
}
