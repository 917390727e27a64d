// app.state through a chain: what a script reads and stores, and what becomes of it.

#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/base/codec.h"
#include "pipeline/ports/memory_state.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

TestApp with_state(std::string name, const std::string& body) {
  return {.name = std::move(name), .lua = transform(body), .settings_yaml = "permissions: { state: true }"};
}

// A chain over state that takes every event's changes at once.
struct Bench {
  explicit Bench(const std::vector<TestApp>& apps) : chain(apps) {
    REQUIRE(chain.problems.empty());
    at(now);
  }
  explicit Bench(const std::string& body) : Bench(std::vector{with_state("app", body)}) {}

  void at(Timestamp time) {
    now = time;
    chain.chain->begin_batch(now, &state);
  }
  std::string run(const std::string& body = "{}") {
    std::string out = chain.run(body);
    changes = chain.out.state;
    state.apply(changes);
    return out;
  }
  // What the row of `key` holds; "none".
  std::string stored(std::string_view app, std::string_view key) {
    std::string row;
    Writer to(row);
    to.text(chain.facts.project);
    to.text(chain.facts.distinct_id);
    to.bytes(key);
    const auto value = state.get("app/" + std::string(app), row, now).value();
    return value ? value->value : "none";
  }

  MemoryState state;
  TestChain chain;
  Timestamp now{1'700'000'002'000};
  std::vector<StateChange> changes;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// An app whose answer is `n`, the value of an expression.
std::string value_of(const std::string& expression) { return "event.n = " + expression + " return event"; }

}  // namespace

TEST_CASE("what an app stores it reads again: in the same event, in the next, and as a copy of its own") {
  Bench bench(
      "local s = app.state\n"
      "if event.set ~= nil then s.set('k', event.set) end\n"
      "local v = s.get('k')\n"
      "if event.change then v.a = 'changed' end\n"
      "event.set, event.change, event.n = nil, nil, v\n"
      "return event");
  for (const std::string value :
       {R"("text")", "5", "1.5", "1.0", "true", "false", "null", "[]", "{}", R"({"a":[1,null,{"b":"c"}]})",
        "9223372036854775807", "123456789012345678901234567890", "1e400", R"("\u0000😀\"")"}) {
    CAPTURE(value);
    const std::string same = R"({"n":)" + value + "}";
    CHECK(bench.run(R"({"set":)" + value + "}") == same);
    CHECK(bench.stored("app", "k") == value);
    CHECK(bench.run() == same);
  }
  bench.run(R"({"set":{"a":"stored"}})");
  CHECK(bench.run(R"({"change":1})") == R"({"n":{"a":"changed"}})");
  CHECK(bench.run() == R"({"n":{"a":"stored"}})");
}

TEST_CASE("nothing stored, deleted, and set to nil read as nil") {
  Bench bench(
      "app.state.set('a', 1) app.state.set('b', 1) app.state.delete('a') app.state.set('b', nil) app.state.delete('c')\n" +
      value_of("tostring(app.state.get('a')) .. tostring(app.state.get('b')) .. tostring(app.state.get('c'))"));
  CHECK(bench.run() == R"({"n":"nilnilnil"})");
  CHECK(bench.changes.size() == 3);
  CHECK(std::ranges::all_of(bench.changes, &StateChange::removed));
}

TEST_CASE("a counter counts up, down, by more than one, and from what was set") {
  Bench bench(value_of("app.state.incr('c', event.by)"));
  CHECK(bench.run() == R"({"n":1})");
  CHECK(bench.run(R"({"by":10})") == R"({"by":10,"n":11})");
  CHECK(bench.run(R"({"by":-20})") == R"({"by":-20,"n":-9})");
  CHECK(bench.run(R"({"by":2.0})") == R"({"by":2.0,"n":-7})");
}

TEST_CASE("rows belong to an app, to a project and to a distinct id") {
  const auto app = [&](const std::string& name) {
    return with_state(name, "event." + name + " = app.state.incr('c') return event");
  };
  Bench bench({app("a"), app("b")});
  CHECK(bench.run() == R"({"a":1,"b":1})");
  bench.chain.facts.distinct_id = "u2";
  CHECK(bench.run() == R"({"a":1,"b":1})");
  bench.chain.facts.project = "other";
  CHECK(bench.run() == R"({"a":1,"b":1})");
  // Were the parts of a row's name only put together, these would be one.
  bench.chain.facts.project = "shopu";
  bench.chain.facts.distinct_id = "1";
  CHECK(bench.run() == R"({"a":1,"b":1})");
  bench.chain.facts.project = "shop";
  bench.chain.facts.distinct_id = "u1";
  CHECK(bench.run() == R"({"a":2,"b":2})");
}

TEST_CASE("rows are those of the distinct id on entering, even when an app changes it, and of all parts of a split event") {
  Bench bench({{.name = "rename", .lua = transform("event.distinct_id = 'someone else' return event")},
               {.name = "split", .lua = transform("return {event, event, event}")},
               with_state("count", value_of("app.state.incr('c')"))});
  bench.chain.facts.distinct_id = "u1";
  const std::string body = R"({"event":"e","distinct_id":"u1"})";
  const std::string part = R"({"event":"e","distinct_id":"someone else","n":)";
  std::string out = bench.chain.run(body, true);
  CHECK(out == part + "1} " + part + "2} " + part + "3}");
  CHECK(bench.chain.out.state.size() == 1);
  CHECK(bench.chain.out.events[0].facts.distinct_id == "someone else");
  bench.state.apply(bench.chain.out.state);
  CHECK(bench.stored("count", "c") == "3");
}

TEST_CASE("what a dropped event stored stays") {
  Bench bench("app.state.incr('c') return nil");
  CHECK(bench.run() == "drop");
  CHECK(bench.run() == "drop");
  CHECK(bench.stored("app", "c") == "2");
}

TEST_CASE("an event that ends in the dead letters has changed nothing, whichever app failed") {
  for (const bool limit : {false, true}) {
    CAPTURE(limit);
    Bench bench({with_state("count", value_of("app.state.incr('c')")),
                 with_state("fail", std::string("app.state.incr('c') if event.bad then ") +
                                        (limit ? "while true do end" : "error('bad')") + " end return event")});
    CHECK(bench.run() == R"({"n":1})");
    CHECK(bench.run(R"({"bad":1})").starts_with("error: "));
    CHECK(bench.changes.empty());
    CHECK(bench.run() == R"({"n":2})");
    CHECK(bench.stored("fail", "c") == "2");
  }
}

TEST_CASE("an app that fails and passes or drops the event takes back what it changed, and only that") {
  for (const OnError on_error : {OnError::pass, OnError::drop}) {
    for (const std::string how : {"error('bad')", "while true do end", "return {event, 5}", "return 5"}) {
      CAPTURE(how);
      TestApp fails = with_state("fail", "app.state.set('c', 'mine') app.state.incr('d') " + how);
      fails.on_error = on_error;
      fails.limits.instructions = 100'000;
      Bench bench({with_state("count", value_of("app.state.incr('c')")), fails,
                   with_state("after", "app.state.incr('c') return event")});
      CHECK(bench.run() == (on_error == OnError::pass ? R"({"n":1})" : "drop"));
      CHECK(bench.stored("count", "c") == "1");
      CHECK(bench.stored("fail", "c") == "none");
      CHECK(bench.stored("fail", "d") == "none");
      CHECK(bench.stored("after", "c") == (on_error == OnError::pass ? "1" : "none"));
    }
  }
}

TEST_CASE("of a split event only the part that fails takes back its changes") {
  TestApp count = with_state("count", "app.state.incr('c') if event.n == 2 then error('bad') end return event");
  count.on_error = OnError::drop;
  Bench bench({{.name = "split", .lua = transform("return {{n = 1}, {n = 2}, {n = 3}}")}, count});
  CHECK(bench.run() == R"({"n":1} {"n":3})");
  CHECK(bench.stored("count", "c") == "2");
}

TEST_CASE("a value expires when its time has come, and counting keeps the time unless it is given anew") {
  Bench bench(
      "local s = app.state\n" +
      value_of("event.incr and s.incr('k', 1, event.ttl) or event.set and s.set('k', event.set, event.ttl) or s.get('k')"));
  const Timestamp start = bench.now;
  const auto after = [&](std::int64_t ms) { bench.at({start.ms + ms}); };
  bench.run(R"({"set":1,"ttl":10})");
  after(9'999);
  CHECK(bench.run() == R"({"n":1})");
  CHECK(bench.run(R"({"incr":1})") == R"({"incr":1,"n":2})");
  after(10'000);
  CHECK(bench.run() == "{}");
  CHECK(bench.run(R"({"incr":1,"ttl":0.5})") == R"({"incr":1,"ttl":0.5,"n":1})");
  after(10'400);
  CHECK(bench.run(R"({"incr":1,"ttl":0.5})") == R"({"incr":1,"ttl":0.5,"n":2})");
  after(10'899);
  CHECK(bench.run() == R"({"n":2})");
  after(10'900);
  CHECK(bench.run() == "{}");
  bench.run(R"({"set":1,"ttl":1})");
  bench.run(R"({"set":1})");
  after(1'000'000);
  CHECK(bench.run() == R"({"n":1})");
}

TEST_CASE("an event without a distinct id has no state") {
  Bench bench(value_of("app.state.incr('c')"));
  bench.chain.facts.distinct_id = "";
  CHECK(has(bench.run(), "app.lua:3: app.state is kept for each distinct id, and this event has none"));
}

TEST_CASE("without the permission, outside of the pipeline's chain, and while loading, app.state says why it is not there") {
  Bench no_permission({{.name = "app", .lua = transform("app.state.get('k')")}});
  CHECK(has(no_permission.run(), "add `permissions: { state: true }` to app.yaml"));

  Bench bench("app.state.get('k') return event");
  bench.chain.chain->begin_batch(bench.now);
  CHECK(has(bench.run(), "app.state is not available here"));

  const TestChain loading(
      {.lua = "app.state.set('k', 1)\n" + transform(""), .settings_yaml = "permissions: { state: true }"});
  REQUIRE(loading.problems.size() == 1);
  CHECK(has(loading.problems[0].message, "app.state belongs to an event"));
}

TEST_CASE("what cannot be stored is refused with the key in the message, and changes nothing") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"app.state.set('k', 0/0)", "app.state.set('k'): not a number"},
      {"app.state.set('k', {a = {print}})", "app.state.set('k').a[1]: a function cannot be stored"},
      {"app.state.set('k', ('x'):rep(65535))", "app.state.set('k'): the value has 65537 bytes as JSON; at most 65536"},
      {"app.state.set(('k'):rep(201), 1)", "the key has 201 bytes; it may have 1 to 200"},
      {"app.state.set('', 1)", "app.state.set(''): the key has 0 bytes"},
      {"app.state.set(5, 1)", "bad argument #1 to 'set' (string expected, got number)"},
      {"app.state.set('k')", "bad argument #2 to 'set' (value expected)"},
      {"app.state.get()", "bad argument #1 to 'get' (string expected, got no value)"},
      {"app.state.set('k', 1, 0)", "app.state.set('k'): the ttl must be more than 0 seconds"},
      {"app.state.set('k', 1, 0/0)", "the ttl must be more than 0 seconds"},
      {"app.state.incr('k', 1, 1e300)", "app.state.incr('k'): the ttl must be"},
      {"app.state.set('k', 1, '5')", "bad argument #3 to 'set' (number expected, got string)"},
      {"app.state.incr('k', 1.5)", "number has no integer representation"},
      {"app.state.incr('k', '1')", "number expected, got string"},
      {"app.state.set('t', 'abc') app.state.incr('t')", R"(app.state.incr('t'): what is stored is no integer but "abc")"},
      {"app.state.set('t', 1.0) app.state.incr('t')", "what is stored is no integer but 1.0"},
      {"app.state.set('t', app.null) app.state.incr('t')", "what is stored is no integer but null"},
      {"app.state.incr('t', math.maxinteger) app.state.incr('t')", "add up to more than 64 bits hold"},
      {"app.state.incr('t', math.mininteger) app.state.incr('t', -1)", "add up to more than 64 bits hold"},
      {"for i = 1, 101 do app.state.set('k' .. i, i) end",
       "app.state.set('k101'): more than 100 keys changed for one event"},
  };
  for (const auto& [body, message] : cases) {
    CAPTURE(body);
    Bench bench(body + " return event");
    const std::string out = bench.run();
    CAPTURE(out);
    CHECK(has(out, "error: app.lua:3: "));
    CHECK(has(out, message));
    CHECK(bench.changes.empty());
  }
}

TEST_CASE("a value, a key and an event's changes may be as large as the limits say") {
  Bench bench(
      "local key = ('k'):rep(200) app.state.set(key, ('x'):rep(65534))\n"
      "for i = 1, 99 do app.state.set(tostring(i), i) app.state.set(tostring(i), i + 1) end\n" +
      value_of("#app.state.get(key)"));
  CHECK(bench.run() == R"({"n":65534})");
  CHECK(bench.changes.size() == 100);
}

TEST_CASE("the limit of changes counts the rows of an event, not how often its parts change them") {
  Bench bench(
      {{.name = "split", .lua = transform("local all = {} for i = 1, 300 do all[i] = {n = i} end return all")},
       with_state("app",
                  "for i = 1, 60 do app.state.incr('k' .. i) end app.state.set('own' .. event.n % 40, 1) return event")});
  CHECK(bench.run().starts_with(R"({"n":1} {"n":2})"));
  CHECK(bench.changes.size() == 100);
  CHECK(bench.stored("app", "k60") == "300");
}

TEST_CASE("an error caught by the script leaves what was stored before it") {
  Bench bench("app.state.set('a', 1) pcall(app.state.set, 'b', print) return event");
  CHECK(bench.run() == "{}");
  CHECK(bench.changes.size() == 1);
}

TEST_CASE("reading again and again is charged, and ends at the instruction limit") {
  TestApp app = with_state("app", "while true do app.state.get('k') end");
  app.limits.instructions = 100'000;
  Bench bench({app});
  CHECK(bench.run().starts_with("error: "));
  CHECK(bench.chain.chain->counters(0).instruction_stops == 1);
}

TEST_CASE("an app that is not told what is stored has not failed by itself, whatever it makes of it") {
  struct Unreadable final : StateView {
    Result<std::optional<StateValue>> get(std::string_view, std::string_view, Timestamp) override {
      return fail(ErrorKind::unavailable, "behind the log");
    }
  } unreadable;
  for (const OnError on_error : {OnError::dead_letter, OnError::pass}) {
    TestApp app = with_state("app", "app.state.get('k') return event");
    app.on_error = on_error;
    Bench bench({app});
    bench.chain.chain->begin_batch(bench.now, &unreadable);
    bench.run();
    CHECK(bench.chain.out.kind == Transformed::Kind::failed);
    CHECK(bench.chain.chain->counters(0).errors == 0);
  }
}

TEST_CASE("two entries of a chain that would share their rows are a problem") {
  const TestChain chain({with_state("a", "return event"), with_state("a", "return event")});
  REQUIRE(chain.problems.size() == 1);
  CHECK(has(chain.problems[0].message, "two apps are called 'a': give one of them another `name:`"));
}
