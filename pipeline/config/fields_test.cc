#include "pipeline/config/fields.h"

#include <algorithm>
#include <limits>

#include <doctest/doctest.h>

#include "pipeline/config/document.h"
#include "pipeline/config/fingerprint.h"

using namespace penstock;
using namespace penstock::config;

namespace {

enum class Color { red, green };

struct Tree {
  std::string name;
  std::vector<Tree> children;
  static constexpr auto fields() {
    return std::tuple{field("name", &Tree::name, "Its name.", Need::required),
                      field("children", &Tree::children, "Below it.")};
  }
};

struct Everything {
  bool flag = true;
  int count = 3;
  std::int64_t low = -1;
  std::uint64_t high = 1;
  double share = 0.25;
  std::string text = "hello";
  Bytes size = 64_MiB;
  Duration wait{1500};
  Rate rate{0.5};
  Secret secret;
  Url url;
  ListenAddress listen;
  Color color = Color::green;
  std::optional<int> maybe;
  std::vector<int> numbers;
  StringMap labels;
  Tree tree;
  Node raw;
  static constexpr auto fields() {
    using E = Everything;
    return std::tuple{field("flag", &E::flag, "A flag."),
                      field("count", &E::count, "A count.", range(0, 10)),
                      field("low", &E::low, "A signed number."),
                      field("high", &E::high, "An unsigned number."),
                      field("share", &E::share, "A share.", range(0.0, 1.0)),
                      field("text", &E::text, "A text."),
                      field("size", &E::size, "A size.", range(1_B, 1024_GiB)),
                      field("wait", &E::wait, "A wait."),
                      field("rate", &E::rate, "A rate."),
                      field("secret", &E::secret, "A secret."),
                      field("url", &E::url, "An address."),
                      field("listen", &E::listen, "Where to listen."),
                      field("color", &E::color, "A color."),
                      field("maybe", &E::maybe, "Perhaps a number.", range(1, 5)),
                      field("numbers", &E::numbers, "Numbers.", range(1, 9)),
                      field("labels", &E::labels, "Labels."),
                      field("tree", &E::tree, "A tree."),
                      field("raw", &E::raw, "Anything.")};
  }
};

Lookup test_lookup() {
  return {[](const std::string& name) { return name == "KEY" ? std::optional<std::string>("hunter2") : std::nullopt; },
          [](const std::string&, Bytes) -> Result<std::string> { return fail(ErrorKind::not_found, "not there"); }};
}

struct Reply {
  Everything value;
  std::string problems;
};

Reply read(const std::string& yaml) {
  Document document = parse_document(yaml, "t.yaml", test_lookup());
  Reply reply;
  StructReader reader(document.root, "", document.problems);
  reader.read(reply.value);
  reader.finish();
  for (const Problem& problem : document.problems) reply.problems += problem.to_string() + "\n";
  return reply;
}

// One line of YAML that must be read without a problem.
Everything good(const std::string& yaml) {
  const Reply reply = read(yaml);
  CAPTURE(yaml);
  CHECK(reply.problems == "");
  return reply.value;
}

}  // namespace

template <>
struct penstock::config::enum_names<Color> {
  static constexpr std::array names{std::pair{"red", Color::red}, std::pair{"green", Color::green}};
};

TEST_CASE("what is not set keeps the member's initialiser") {
  const Everything value = good("flag: true");
  CHECK(value.count == 3);
  CHECK(value.size == 64_MiB);
  CHECK(value.wait == Duration(1500));
  CHECK(value.color == Color::green);
  CHECK_FALSE(value.maybe.has_value());
  CHECK(value.listen.host == "127.0.0.1");
}

TEST_CASE("scalars are read exactly, up to the ends of their types") {
  CHECK_FALSE(good("flag: false").flag);
  CHECK(good("low: -9223372036854775808").low == std::numeric_limits<std::int64_t>::min());
  CHECK(good("low: 9223372036854775807").low == std::numeric_limits<std::int64_t>::max());
  CHECK(good("high: 18446744073709551615").high == std::numeric_limits<std::uint64_t>::max());
  CHECK(good("share: 1e-3").share == doctest::Approx(0.001));
  CHECK(good("color: red").color == Color::red);
  CHECK(good("maybe: 4").maybe == 4);
  CHECK_FALSE(good("maybe: null").maybe.has_value());
}

TEST_CASE("a text keeps what was written") {
  CHECK(good("text: 1.0").text == "1.0");
  CHECK(good("text: true").text == "true");
  CHECK(good("text: \"\"").text == "");
  CHECK(good("text: 'null'").text == "null");
  CHECK(good("text: |\n  one\n  two\n").text == "one\ntwo\n");
  CHECK(good("text: \"caf\\u00e9 ☕\"").text == "café ☕");
}

TEST_CASE("sizes have binary and decimal units") {
  const std::pair<const char*, Bytes> cases[] = {
      {"17B", 17_B},   {"512KiB", 512_KiB},  {"64MiB", 64_MiB},        {"10GiB", 10_GiB},  {"1TiB", 1024_GiB},
      {"5KB", 5000_B}, {"2MB", 2'000'000_B}, {"3GB", 3'000'000'000_B}, {"64 MiB", 64_MiB}, {"'1MiB'", 1_MiB}};
  for (const auto& [text, expected] : cases) CHECK(good(std::string("size: ") + text).size == expected);
}

TEST_CASE("durations have units from milliseconds to days") {
  const std::pair<const char*, Duration> cases[] = {
      {"250ms", Duration(250)},      {"5s", Duration(5000)}, {"2m", Duration(120'000)}, {"1h", Duration(3'600'000)},
      {"7d", Duration(604'800'000)}, {"0", Duration(0)},     {"0s", Duration(0)}};
  for (const auto& [text, expected] : cases) CHECK(good(std::string("wait: ") + text).wait == expected);
}

TEST_CASE("rates are per second, whatever was written") {
  CHECK(good("rate: 100/s").rate.per_second == 100);
  CHECK(good("rate: 30/m").rate.per_second == 0.5);
  CHECK(good("rate: 1800/h").rate.per_second == 0.5);
  CHECK(good("rate: 0.5/s").rate.per_second == 0.5);
}

TEST_CASE("addresses are checked and know their host") {
  CHECK(good("url: https://user:pw@crm.example:8443/a?b").url.host() == "crm.example:8443");
  CHECK(good("url: http://[::1]:80").url.host() == "[::1]:80");
  CHECK(good("url: https://b\u00fccher.example").url.host() == "b\u00fccher.example");
  CHECK(good("listen: localhost:0").listen == ListenAddress{"localhost", 0});
  CHECK(good("listen: '[::1]:8080'").listen == ListenAddress{"::1", 8080});
  CHECK(good("listen: 0.0.0.0:65535").listen == ListenAddress{"0.0.0.0", 65535});
}

TEST_CASE("lists, maps and nested structs are read") {
  CHECK(good("numbers: [1, 2, 3]").numbers == std::vector{1, 2, 3});
  CHECK(good("numbers:").numbers.empty());
  CHECK(good("labels: {b: 1, a: x}").labels == StringMap{{"b", "1"}, {"a", "x"}});
  const Everything value = good("tree: {name: a, children: [{name: b}, {name: c, children: [{name: d}]}]}");
  REQUIRE(value.tree.children.size() == 2);
  CHECK(value.tree.children[1].children[0].name == "d");
}

TEST_CASE("each element of a list is judged, and its place is named") {
  CHECK(read("numbers: [1, x, 99]").problems ==
        "t.yaml:1:14: numbers[1]: expected an integer from 1 to 9, got \"x\"\n"
        "t.yaml:1:17: numbers[2]: expected an integer from 1 to 9, got \"99\"\n");
  CHECK(read("tree: {name: a, children: [{nam: b}]}").problems ==
        "t.yaml:1:28: tree.children[0]: missing required field 'name'\n"
        "t.yaml:1:29: tree.children[0]: unknown field 'nam', did you mean 'name'?\n");
}

TEST_CASE("a raw node is kept as it is") {
  const Everything value = good("raw: {a: [1, '1', null]}");
  CHECK(dump(value.raw) == "{a: [1, 1, null]}");
  CHECK(value.raw.find("a")->items[1].quoted);
}

TEST_CASE("a secret comes from outside the file") {
  CHECK(good("secret: ${env:KEY}").secret.reveal() == "hunter2");
  CHECK(good("secret: ''").secret.empty());
  CHECK(read("secret: hunter3").problems ==
        "t.yaml:1:9: secret: a secret must not stand in the file: write ${env:NAME} or ${file:path}\n");
}

TEST_CASE("common keys and a type's keys are read in two steps, and only the rest is unknown") {
  struct Common {
    std::string name;
    static constexpr auto fields() { return std::tuple{field("name", &Common::name, "Its name.", Need::required)}; }
  };
  struct Own {
    int size = 1;
    static constexpr auto fields() { return std::tuple{field("size", &Own::size, "Its size.")}; }
  };
  Document document = parse_document("{name: a, size: 2, sise: 3, nam: b, later: c}", "t.yaml", test_lookup());
  StructReader reader(document.root, "things[0] (a)", document.problems);
  Common common;
  Own own;
  CHECK(reader.read(common));
  CHECK(reader.read(own));
  reader.allow("later");
  CHECK_FALSE(reader.finish());
  CHECK(own.size == 2);
  REQUIRE(document.problems.size() == 2);
  CHECK(document.problems[0].message == "unknown field 'sise', did you mean 'size'?");
  CHECK(document.problems[1].message == "unknown field 'nam', did you mean 'name'?");
}

TEST_CASE("a map with very many unknown keys does not drown the rest") {
  std::string yaml;
  for (int i = 0; i < 1000; ++i) yaml += "unknown" + std::to_string(i) + ": 1\n";
  const Reply reply = read(yaml);
  CHECK(reply.problems.contains("980 more unknown fields"));
  CHECK(std::ranges::count(reply.problems, '\n') == 21);
}

TEST_CASE("defaults read back to the same value") {
  const StructInfo& info = struct_info<Everything>();
  const Everything initial;
  for (const FieldInfo& field : info.fields) {
    if (field.initial.kind == Node::Kind::null) continue;
    CAPTURE(field.name);
    Everything other;
    Problems problems;
    CHECK(field.read(field.initial, {std::string(field.name), problems, field.options},
                     reinterpret_cast<char*>(&other) + field.offset));
    CHECK(problems.empty());
  }
  CHECK(dump(info.find("wait")->initial) == "1500ms");
  CHECK(dump(info.find("rate")->initial) == "30/m");
}

TEST_CASE("a suggestion is near, or is none") {
  const std::vector<std::string_view> known{"timeout", "url", "in_flight_max", "name"};
  CHECK(closest("timeuot", known) == "timeout");
  CHECK(closest("inflight_max", known) == "in_flight_max");
  CHECK(closest("uri", known) == "url");
  CHECK(closest("x", known) == "");
  CHECK(closest("frobnicate", known) == "");
}
