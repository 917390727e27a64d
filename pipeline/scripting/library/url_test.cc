// app.url with what browsers and people send.

#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock;
using namespace penstock::scripting::testing;

namespace {

// The parts of a URL but for its parameters.
std::string parts(const std::string& url) {
  static Surroundings lua;
  return lua.run("local u = app.url.parse('" + url + "') if u then u.params = nil end return app.json.encode(u)");
}

}  // namespace

TEST_CASE("URLs are taken apart") {
  for (
      const auto& [url, gives] : Table{
          {"http://a", R"({"host":"a","path":"","scheme":"http"})"},
          {"HTTPS://User:p%40ss@Shop.Example:443/A?B#C",
           R"({"fragment":"C","host":"shop.example","password":"p@ss","path":"/A","port":443,"query":"B","scheme":"https","user":"User"})"},
          {"http://a:/", R"({"host":"a","path":"/","scheme":"http"})"},
          {"http://a:0", R"({"host":"a","path":"","port":0,"scheme":"http"})"},
          {"http://[2001:db8::1]:80/", R"({"host":"2001:db8::1","path":"/","port":80,"scheme":"http"})"},
          {"http://bücher.example/ü", R"({"host":"bücher.example","path":"/ü","scheme":"http"})"},
          {"http://b%C3%BCcher.example", R"({"host":"bücher.example","path":"","scheme":"http"})"},
          {"http://a/b c?d=[1]|{2}&e=100%#^\\\\",
           R"({"fragment":"^\\","host":"a","path":"/b c","query":"d=[1]|{2}&e=100%","scheme":"http"})"},
          {"http://a/#b#c?d", R"({"fragment":"b#c?d","host":"a","path":"/","scheme":"http"})"},
          {"http://a?b?c", R"({"host":"a","path":"","query":"b?c","scheme":"http"})"},
          {"http://a/?", R"({"host":"a","path":"/","query":"","scheme":"http"})"},
          {"file:///etc/x", R"({"host":"","path":"/etc/x","scheme":"file"})"},
          {"mailto:ann@example.com", R"({"path":"ann@example.com","scheme":"mailto"})"},
          {"android-app://com.google", R"({"host":"com.google","path":"","scheme":"android-app"})"},
          {"/a/b?c", R"({"path":"/a/b","query":"c"})"},
          {"//a/b", R"({"host":"a","path":"/b"})"},
          {"?a=b", R"({"path":"","query":"a=b"})"},
          {"", R"({"path":""})"},
          {"a\\0b", "null"},
          {"$direct", R"({"path":"$direct"})"},
          {"http://a b/", "null"},
          {"http://a:b/", "null"},
          {"http://a:65536/", "null"},
          {"http://a:80:80/", "null"},
          {"http://[::1/", "null"},
          {"http://a%zz/", "null"},
          {"1http://a", "null"},
          {" http://a", "null"}}) {
    CAPTURE(url);
    CHECK(parts(url) == gives);
  }
  check({{"select(2, app.url.parse('http://a b'))", R"("not a URL")"}});
}

TEST_CASE("queries are decoded") {
  check({{"app.url.parse_query('')", "{}"},
         {"app.url.parse_query('?')", "{}"},
         {"app.url.parse_query('&&')", "{}"},
         {"app.url.parse_query('a')", R"({"a":""})"},
         {"app.url.parse_query('a=')", R"({"a":""})"},
         {"app.url.parse_query('=a')", R"({"":"a"})"},
         {"app.url.parse_query('a=b=c')", R"({"a":"b=c"})"},
         {"app.url.parse_query('a+b=c%2Bd+e')", R"({"a b":"c+d e"})"},
         {"app.url.parse_query('a=1&b=2&a=3&a=')", R"({"a":["1","3",""],"b":"2"})"},
         {"app.url.parse_query('a[]=1&a[]=2')", R"({"a[]":["1","2"]})"},
         {"app.url.parse_query('a=%')", R"({"a":"%"})"},
         {"app.url.parse_query('a=%zz%4')", R"({"a":"%zz%4"})"},
         {"app.url.parse_query('a=%FF')", R"({"a":"\ufffd"})"},
         {"app.url.parse_query('a=%00').a == '\\0'", "true"},
         {"(function() local s = '' for k in pairs(app.url.parse_query('z=1&a=2&z=3&m')) do s = s .. k end return s end)()",
          R"("zam")"},
         {"(function() local q, s = app.url.parse_query('z=1&a=2&m=3'), '' q.a = nil q.b = 1 q.B = 1 for k in pairs(q) do "
          "q[k] = nil s = s .. k end return s end)()",
          R"("zmBb")"},
         {"#app.url.parse('?' .. ('a&'):rep(20000)).params.a", "20000"}});
}

TEST_CASE("what nobody touched is written as it was") {
  Surroundings lua;
  for (const char* url : {"http://a", "https://user:pass@shop.example:8443/a%20b?q=caf%C3%A9+x&tag=%7e&tag=y#top", "/a/b?c",
                          "?a&b=&=c", "//a/b", "http://[::1]/", "file:///x", "mailto:a@b", "http://a/?a[]=1&a[]=2&b={x}|y",
                          "http://a/?", "http://a/?a=100%", ""}) {
    CAPTURE(url);
    CHECK(lua.run("return app.url.build(app.url.parse('" + std::string(url) + "'))") == url);
  }
}

TEST_CASE("URLs are put together") {
  const auto changed = [](const std::string& url, const std::string& change) {
    return "(function() local u = app.url.parse('" + url + "') local p = u.params " + change +
           " return app.url.build(u) end)()";
  };
  check(
      {{changed("http://a/?b=1&c=2&b=3", "p.b = nil"), R"("http://a/?c=2")"},
       {changed("http://a/?b=%31&c=2&b=%33", "p.b[2] = 'x'"), R"("http://a/?b=%31&c=2&b=x")"},
       {changed("http://a/?b=%31&c=2&b=%33", "table.insert(p.b, 'x')"), R"("http://a/?b=1&b=3&b=x&c=2")"},
       {changed("http://a/?b=1&c=2", "p.b = {1.5, true, 'ü&'}"), R"("http://a/?b=1.5&b=true&b=%C3%BC%26&c=2")"},
       {changed("http://a/?b", "p.b = nil"), R"("http://a/")"},
       {changed("http://a/?b", "u.params = nil u.query = 'x y#'"), R"("http://a/?x%20y%23")"},
       {changed("http://a/?b", "u.params = app.url.parse_query('y=1&x')"), R"("http://a/?y=1&x")"},
       {changed("http://a", "p.z = 1 p.a = 2"), R"("http://a?a=2&z=1")"},
       {changed("http://a", "u.host = 'ü b/c' u.path = 'x?y'"), R"("http://ü%20b%2Fc/x%3Fy")"},
       {changed("http://a", "u.user = 'a@b' u.password = ':' u.port = 1 u.fragment = ' '"), R"("http://a%40b:%3A@a:1#%20")"},
       {"app.url.build({})", R"("")"},
       {"app.url.build({host = '::1', scheme = 'http'})", R"("http://[::1]")"},
       {"app.url.build({path = '/', params = event.properties})", R"("/?email=ann%40example.com&plan=pro")"}});
  Surroundings lua;
  for (const auto& [parts, message] : Table{{"5", "table expected"},
                                            {"{scheme = 5}", "part 'scheme': a string expected"},
                                            {"{hots = 'a'}", "'hots' is no part"},
                                            {"{host = 'a', port = 70000}", "part 'port'"},
                                            {"{host = 'a', port = '80'}", "part 'port'"},
                                            {"{scheme = 'a b', host = 'c'}", "make no URL"},
                                            {"{path = '//a'}", "make no URL"},
                                            {"{path = 'a:b'}", "make no URL"},
                                            {"{host = ':::', scheme = 'http'}", "make no URL"},
                                            {"{params = {1}}", "must be strings"},
                                            {"{params = {a = print}}", "parameter 'a'"},
                                            {"{params = {a = app.null}}", "got app.null"},
                                            {"{params = {a = {x = 1}}}", "parameter 'a': a string"},
                                            {"{params = {a = {1, 2, x = 3}}}", "parameter 'a': a string"},
                                            {"{params = {a = {1, [3] = 3}}}", "parameter 'a': a string"},
                                            {"{params = {a = {{}}}}", "got table"},
                                            {"{[('y'):rep(100)] = 1}", "yy…' is no part"}}) {
    CAPTURE(parts);
    const std::string answer = lua.eval("app.url.build(" + parts + ")");
    CHECK(answer.starts_with("error: test:1:"));
    CHECK(answer.find(message) != std::string::npos);
  }
}

TEST_CASE("a table that is no list is no parameter") {
  Surroundings lua;
  for (const char* table : {"{x = 1}", "{1, 2, x = 3}", "{1, nil, 3}"}) {
    CAPTURE(table);
    const std::string answer = lua.eval("app.url.build_query({a = 1, tags = " + std::string(table) + "})");
    CHECK(answer.find("parameter 'tags'") != std::string::npos);
  }
  check({{"app.url.build_query({a = {}, b = app.array{}, c = {1}})", R"("c=1")"}});
}

TEST_CASE("a URL has an end: 16 MiB, or the memory of the app") {
  const std::string script = "local l = {} for i = 1, 20 do l[i] = ('x'):rep(1 << 20) end return app.url.build_query{a = l}";
  Surroundings lua({.instructions_max = 100'000'000});
  CHECK(lua.run(script) == "error: test:1: app.url.build_query: a text larger than 16 MiB");
  CHECK_FALSE(lua.vm().spent());
  Surroundings little({.memory_max = Bytes{4 << 20}, .instructions_max = 100'000'000});
  const std::string ended = little.run(
      "local s = ('x'):rep(1 << 20) local l = {} for i = 1, 20 do l[i] = s end return app.url.build_query{a = l}");
  CHECK(ended.substr(0, 44) == "error: test:1: memory limit of 4MiB reached;");
}

TEST_CASE("percent-coding") {
  check({{"app.url.encode('')", R"("")"},
         {"app.url.encode('AZaz09-._~')", R"("AZaz09-._~")"},
         {"app.url.encode('a+b&c=d%')", R"("a%2Bb%26c%3Dd%25")"},
         {"app.url.encode('\\0\\xff')", R"("%00%FF")"},
         {"app.url.decode('')", R"("")"},
         {"app.url.decode('%')", R"("%")"},
         {"app.url.decode('%4')", R"("%4")"},
         {"app.url.decode('%4a%4A%%41')", R"("JJ%A")"},
         {"app.url.decode(app.url.encode('\\0 ü/%')) == '\\0 ü/%'", "true"}});
}
