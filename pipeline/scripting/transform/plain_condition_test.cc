// Conditions that are decided without Lua, held against Lua itself: the same answer or none, for every expression and event.

#include "pipeline/scripting/transform/plain_condition.h"

#include <doctest/doctest.h>

#include <random>

#include <lua.hpp>

#include "pipeline/scripting/transform/condition.h"
#include "pipeline/scripting/transform/expression.h"

using namespace penstock;
using namespace penstock::scripting;
using Verdict = PlainCondition::Verdict;

namespace {

Facts some_facts() {
  Facts facts;
  facts.uuid = *Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  facts.event = "order";
  facts.distinct_id = "u1";
  facts.source = "5";
  facts.timestamp = {1'790'000'000'000};
  facts.received_at = {5};
  return facts;
}

// The expression by Lua alone.
class ByLua {
 public:
  explicit ByLua(std::string_view expression) : vm_(*Vm::create({})), binding_(*vm_), event_(arena_) {
    REQUIRE(binding_.install());
    vm_->freeze_globals();
    compiles = push_expression(*vm_, expression).has_value();
  }
  Answer ask(std::string_view body, const Facts& facts) {
    arena_.reset();
    event_.open(body, facts, false);
    return evaluate(*vm_, binding_, 2, event_);
  }
  bool compiles = false;

 private:
  std::unique_ptr<Vm> vm_;
  Binding binding_;
  Arena arena_;
  EventState event_;
};

std::string said(Verdict verdict) { return verdict == Verdict::yes ? "yes" : verdict == Verdict::no ? "no" : "ask Lua"; }

std::string verdict(const std::string& expression, std::string_view body) {
  auto plain = PlainCondition::parse(expression);
  return plain ? said(plain->of(body, some_facts())) : "more than plain";
}

}  // namespace

TEST_CASE("comparisons of fields, facts and constants are decided without Lua") {
  constexpr const char* kBody = R"({"a":5,"b":"x","c":null,"d":{"e":1.5,"f f":false},"g":[1],"h":"\u0061"})";
  struct {
    std::string expression, verdict;
  } const kCases[] = {
      {"event.a == 5", "yes"},
      {"event.a == 5.0", "yes"},
      {"event.a ~= 5", "no"},
      {"event.a > -5 and event.a <= 5", "yes"},
      {"event.b == 'x'", "yes"},
      {"event.h == 'a'", "yes"},
      {"event.c", "no"},
      {"event.c and true", "yes"},
      {"event.c == nil", "no"},
      {"event.nothing == nil", "yes"},
      {"event.d.e * 2 == 3", "more than plain"},
      {"event.d.e >= 1.5", "yes"},
      {"event.d['f f'] == false", "yes"},
      {"not event.d[\"f f\"]", "yes"},
      {"event.d and event.g", "yes"},
      {"(event.a == 6 or facts.event == 'order') and event", "yes"},
      {"facts.uuid == '01890a5d-ac96-774b-bcce-b302099a8057'", "yes"},
      {"facts.timestamp < facts.received_at", "no"},
      {"facts.person_id == nil and facts.nobody == nil", "yes"},
      {"facts.source == 5", "no"},
      // An error, the order of texts, two objects: Lua's affair.
      {"event.nothing.x == 1", "ask Lua"},
      {"event.b.x == 1", "ask Lua"},
      {"event.g.x == 1", "ask Lua"},
      {"event.b < 5", "ask Lua"},
      {"event.b < 'y'", "ask Lua"},
      {"event.d == event.d", "ask Lua"},
      {"event.a == 5 or event.nothing.x", "yes"},
      {"event.facts", "more than plain"},
      {"event.b:find('x')", "more than plain"},
      {"event.a == 5 -- five", "more than plain"},
      {"#event.g == 1", "more than plain"},
      {"event.b == 'x' .. ''", "more than plain"},
      {"event.b == '\\120'", "more than plain"},
      {"event[event.b]", "more than plain"},
      {"event.a == 5 == true", "yes"},
      {"not event.a == 5", "no"},
  };
  for (const auto& each : kCases) {
    CAPTURE(each.expression);
    CHECK(verdict(each.expression, kBody) == each.verdict);
  }
}

TEST_CASE("a number that no float holds exactly, or none at all, is Lua's affair") {
  CHECK(verdict("event.a == 9007199254740993", R"({"a":9007199254740993})") == "yes");
  CHECK(verdict("event.a == 9007199254740993", R"({"a":9007199254740992})") == "no");
  CHECK(verdict("event.a == 9007199254740993", R"({"a":9007199254740992.0})") == "ask Lua");
  CHECK(verdict("event.a > 5", R"({"a":18446744073709551617})") == "yes");
  CHECK(verdict("event.a == 5", R"({"a":1e400})") == "ask Lua");
  CHECK(verdict("event.a == 0", R"({"a":-0})") == "yes");
}

TEST_CASE("damage is left to whoever can tell of it") {
  CHECK(verdict("event.a == 5", R"({"a":5)") == "ask Lua");
  auto condition = Condition::compile("event.a == 5");
  REQUIRE(condition);
  CHECK(!condition->eval(R"({"a":5)", some_facts()));
}

TEST_CASE("a condition answers the same with Lua and without, errors included") {
  auto condition = Condition::compile("event.plan.name == 'pro'");
  REQUIRE(condition);
  CHECK(condition->eval(R"({"plan":{"name":"pro"}})", some_facts()).value());
  CHECK(!condition->eval(R"({"plan":{}})", some_facts()).value());
  const auto failed = condition->eval(R"({"x":1})", some_facts());
  REQUIRE(!failed);
  CHECK(failed.error().message.contains("attempt to index a nil value (field 'plan')"));
  CHECK(condition->eval(R"({"plan":{"name":"pro"}})", some_facts()).value());
}

namespace {

class Sampler {
 public:
  explicit Sampler(std::uint64_t seed) : random_(seed) {}

  std::string expression(int depth = 0) {
    if (depth > 3 || below(3) == 0) return operand();
    const std::string left = expression(depth + 1);
    switch (below(7)) {
      case 0: return "not " + left;
      case 1: return "(" + left + ")";
      case 2: return left + " and " + expression(depth + 1);
      case 3: return left + " or " + expression(depth + 1);
      default: return left + " " + any({"==", "~=", "<", "<=", ">", ">="}) + " " + expression(depth + 1);
    }
  }

  std::string object(int depth = 0) {
    std::string text = "{";
    const int members = below(6);
    for (int i = 0; i < members; ++i)
      text += (i == 0          ? ""
               : below(2) == 0 ? ","
                               : " , ") +
              any({R"("a")", R"("a")", R"("b")", R"("c")", R"("\u0061")", R"("d e")"}) + any({":", " : "}) +
              value(depth + 1);
    return text + "}";
  }

 private:
  std::string operand() {
    switch (below(6)) {
      case 0: return any({"nil", "true", "false", "event", "facts", "'x'", "\"1\"", "''", "'order'"});
      case 1:
        return any({"0", "1", "-1", "1.0", "-0.0", "0.5", "9007199254740993", "9007199254740992.0", "123456789012345678",
                    "92233720368547758079", "1e3", "0x10"});
      case 2:
        return "facts." +
               any({"event", "distinct_id", "person_id", "source", "timestamp", "received_at", "uuid", "project", "x"});
      default: break;
    }
    std::string path = "event";
    for (int i = below(3); i >= 0; --i) path += any({".a", ".b", ".c", "['a']", "[\"d e\"]", ".a", ".b"});
    return path;
  }

  std::string value(int depth) {
    if (depth < 4 && below(2) == 0) return object(depth);
    return any({"0",
                "1",
                "-0",
                "1.0",
                "1.10",
                "-1",
                "0.5",
                "1e400",
                "9007199254740993",
                "9007199254740992.0",
                "1E0",
                "null",
                "true",
                "false",
                R"("x")",
                R"("\u0078")",
                R"("1")",
                R"("")",
                "[]",
                "[1,2]",
                "123456789012345678",
                "18446744073709551617"});
  }

  int below(int end) { return static_cast<int>(random_() % static_cast<std::uint64_t>(end)); }
  std::string any(std::initializer_list<const char*> of) { return *(of.begin() + below(static_cast<int>(of.size()))); }

  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("whatever is decided without Lua is what Lua says, by chance") {
  const auto seed = std::random_device()();
  MESSAGE("seed " << seed);
  Sampler sample(seed);
  const Facts facts = some_facts();
  int decided = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string expression = sample.expression();
    CAPTURE(expression);
    auto plain = PlainCondition::parse(expression);
    if (!plain) continue;
    ByLua lua(expression);
    REQUIRE(lua.compiles);
    Arena arena;
    Document document(arena);
    for (int j = 0; j < 12; ++j) {
      const std::string body = sample.object();
      CAPTURE(body);
      document.open(body);
      const Verdict verdict = plain->of(body, facts);
      CHECK(said(verdict) == said(plain->of(document, facts)));
      if (verdict == Verdict::ask_lua) continue;
      ++decided;
      const Answer answer = lua.ask(body, facts);
      CHECK(said(verdict) == (answer == Answer::yes ? "yes" : answer == Answer::no ? "no" : "failed"));
    }
  }
  CHECK(decided > 10'000);
}
