#include "pipeline/scripting/check/lua_names.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "pipeline/scripting/check/lua_lexer.h"

namespace penstock::scripting {
namespace {

using Kind = LuaToken::Kind;
using How = LuaUse::How;

constexpr int kDepthMax = 220;  // Lua's own limit is 200

LuaPlace place_of(const LuaToken& token) { return {token.line, token.column}; }

// A value of the source, as far as it matters here.
struct Value {
  std::optional<LuaChain> chain;  // it is just this
  int function = -1;              // it is this function
  int use = -1;                   // where the chain was noted
};

class Reader {
 public:
  explicit Reader(std::vector<LuaToken> tokens) : tokens_(std::move(tokens)) {}

  Result<LuaNames> run() {
    block();
    if (good_ && now().kind != Kind::end) refuse();
    if (!good_)
      return fail(ErrorKind::invalid, fmt::format("{}:{}: not understood at '{}'", now().line, now().column, now().raw));
    return std::move(found_);
  }

 private:
  // Tokens.
  const LuaToken& now() const { return tokens_[at_]; }
  const LuaToken& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const LuaToken& take() {
    const LuaToken& token = now();
    if (token.kind != Kind::end) ++at_;
    return token;
  }
  bool accept(std::string_view word) {
    if (!good_ || !now().is(word)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view word) {
    if (good_ && !accept(word)) refuse();
  }
  const LuaToken& expect_name() {
    if (now().kind != Kind::name) refuse();
    return take();
  }
  void refuse() { good_ = false; }

  // Scopes.
  int declare(const LuaToken& name) {
    const int variable = make_variable(name);
    scope_.push_back(variable);
    return variable;
  }
  int make_variable(const LuaToken& name) {
    found_.variables.push_back({name.raw, false, std::nullopt, -1, -1, -1});
    return static_cast<int>(found_.variables.size()) - 1;
  }
  int look_up(std::string_view name) const {
    for (auto it = scope_.rbegin(); it != scope_.rend(); ++it)
      if (variable(*it).name == name) return *it;
    return -1;
  }
  LuaVariable& variable(int index) { return found_.variables[static_cast<std::size_t>(index)]; }
  const LuaVariable& variable(int index) const { return found_.variables[static_cast<std::size_t>(index)]; }
  LuaFunction& function(int index) { return found_.functions[static_cast<std::size_t>(index)]; }

  // Statements.
  void block() {
    const std::size_t outer = scope_.size();
    if (++depth_ > kDepthMax) refuse();
    while (good_ && !ends_block()) statement();
    --depth_;
    scope_.resize(outer);
  }

  bool ends_block() const {
    const LuaToken& token = now();
    return token.kind == Kind::end || token.is("end") || token.is("else") || token.is("elseif") || token.is("until");
  }

  void statement() {
    if (accept(";") || accept("break")) return;
    if (accept("goto")) return void(take());
    if (accept("::")) return void(take()), expect("::");
    if (accept("do")) return block(), expect("end");
    if (accept("while")) return void(expression()), expect("do"), block(), expect("end");
    if (accept("if")) return branches();
    if (accept("for")) return loop();
    if (accept("repeat")) return repeat();
    if (accept("function")) return named_function();
    if (accept("local")) return accept("function") ? local_function() : local_variables();
    if (accept("return")) {
      if (!ends_block() && !now().is(";")) expressions();
      accept(";");
      return;
    }
    assignment_or_call();
  }

  void branches() {
    expression();
    expect("then");
    block();
    while (accept("elseif")) expression(), expect("then"), block();
    if (accept("else")) block();
    expect("end");
  }

  // The condition of `until` sees the block's locals.
  void repeat() {
    const std::size_t outer = scope_.size();
    while (good_ && !ends_block()) statement();
    expect("until");
    expression();
    scope_.resize(outer);
  }

  void loop() {
    const std::size_t outer = scope_.size();
    std::vector<const LuaToken*> names{&expect_name()};
    while (accept(",")) names.push_back(&expect_name());
    if (!accept("=")) expect("in");
    expressions();
    expect("do");
    for (const LuaToken* name : names) declare(*name);
    block();
    expect("end");
    scope_.resize(outer);
  }

  void named_function() {
    LuaChain chain = name_chain();
    bool method = false;
    while (good_ && (now().is(".") || now().is(":"))) {
      method = take().is(":");
      const LuaToken& field = expect_name();
      chain.fields.push_back({std::string(field.raw), place_of(field)});
    }
    note(chain, How::write);
    const int made = function_body(method);
    bind(chain, {std::nullopt, made, -1});
  }

  void local_function() {
    const int local = declare(expect_name());
    variable(local).bound = static_cast<int>(found_.functions.size());  // known in its own body
    const int made = function_body(false);
    function(made).name = std::string(variable(local).name);
  }

  void local_variables() {
    std::vector<const LuaToken*> names;
    do {
      names.push_back(&expect_name());
      if (accept("<")) take(), expect(">");
    } while (accept(","));
    std::vector<Value> values;
    if (accept("=")) values = expressions();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const int local = declare(*names[i]);
      if (i >= values.size()) continue;
      variable(local).value = values[i].chain;
      variable(local).bound = values[i].function;
      if (values[i].function >= 0) function(values[i].function).name = std::string(names[i]->raw);
      if (values[i].use >= 0) aliases_.push_back({values[i].use, local});
    }
  }

  void assignment_or_call() {
    std::vector<Value> targets{suffixed()};
    if (!now().is("=") && !now().is(",")) return;
    while (accept(",")) targets.push_back(suffixed());
    expect("=");
    const auto values = expressions();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (!targets[i].chain) continue;
      found_.uses[static_cast<std::size_t>(targets[i].use)].how = How::write;
      bind(*targets[i].chain, i < values.size() ? values[i] : Value{});
    }
  }

  // What a chain is assigned.
  void bind(const LuaChain& chain, const Value& value) {
    if (chain.fields.empty()) {
      if (chain.variable >= 0) variable(chain.variable).reassigned = true;
      if (value.function >= 0) function(value.function).name = std::string(chain.name);
      return;
    }
    const std::string& name = chain.fields.back().name;
    if (value.function >= 0) function(value.function).name = name;
    else if (value.chain && value.chain->variable >= 0 && value.chain->fields.empty())
      if (const int bound = variable(value.chain->variable).bound; bound >= 0) function(bound).name = name;
  }

  // Expressions.
  std::vector<Value> expressions() {
    std::vector<Value> all{expression()};
    while (accept(",")) all.push_back(expression());
    return all;
  }

  static bool is_binary(const LuaToken& token) {
    static constexpr std::string_view kOperators[] = {"+",  "-",  "*", "/",  "//", "^",  "%",  "&",  "~",   "|", "<<",
                                                      ">>", "..", "<", "<=", ">",  ">=", "==", "~=", "and", "or"};
    return std::ranges::any_of(kOperators, [&](std::string_view word) { return token.is(word); });
  }

  Value expression() {
    if (++depth_ > kDepthMax) refuse();
    Value value;
    bool alone = true;
    for (bool more = good_; more;) {
      while (accept("not") || accept("-") || accept("#") || accept("~")) alone = false;
      value = simple();
      more = good_ && is_binary(now());
      if (more) take(), alone = false;
    }
    --depth_;
    return alone ? value : Value{};
  }

  Value simple() {
    const LuaToken& token = now();
    if (token.kind == Kind::number || token.kind == Kind::text || token.is("nil") || token.is("true") || token.is("false") ||
        token.is("..."))
      return take(), Value{};
    if (token.is("{")) return table(), Value{};
    if (accept("function")) return {std::nullopt, function_body(false), -1};
    return suffixed();
  }

  void table() {
    expect("{");
    while (good_ && !now().is("}")) {
      if (accept("[")) {
        expression();
        expect("]");
        expect("=");
        expression();
      } else if (now().kind == Kind::name && ahead().is("=")) {
        const std::string name(take().raw);
        take();
        LuaChain field;
        field.fields.push_back({name, {}});
        bind(field, expression());
      } else {
        expression();
      }
      if (!accept(",") && !accept(";")) break;
    }
    expect("}");
  }

  int function_body(bool method) {
    const int own = static_cast<int>(found_.functions.size());
    found_.functions.emplace_back();
    const std::size_t outer = scope_.size();
    if (method) {
      static const LuaToken kSelf{Kind::name, "self", 0, 0};
      add_parameter(own, kSelf);
    }
    expect("(");
    while (good_ && !now().is(")")) {
      if (!accept("...")) add_parameter(own, expect_name());
      if (!accept(",")) break;
    }
    expect(")");
    ++functions_open_;
    block();
    --functions_open_;
    expect("end");
    scope_.resize(outer);
    return own;
  }

  void add_parameter(int own, const LuaToken& name) {
    const int parameter = declare(name);
    variable(parameter).function = own;
    variable(parameter).position = static_cast<int>(function(own).parameters.size());
    function(own).parameters.push_back(parameter);
  }

  LuaChain name_chain() {
    const LuaToken& name = expect_name();
    return {look_up(name.raw), name.raw, place_of(name), {}};
  }

  int note(const LuaChain& chain, How how) {
    found_.uses.push_back({chain, how, functions_open_ > 0});
    return static_cast<int>(found_.uses.size()) - 1;
  }

  // A name or something in parentheses, and what follows it. The chain ends where anything but a constant field comes.
  Value suffixed() {
    std::optional<LuaChain> chain;
    if (accept("(")) {
      expression();
      expect(")");
    } else {
      chain = name_chain();
    }
    const auto end_chain = [&](How how) {
      if (chain) note(*chain, how);
      chain.reset();
    };
    while (good_) {
      if (accept(".")) {
        const LuaToken& field = expect_name();
        if (chain) chain->fields.push_back({std::string(field.raw), place_of(field)});
      } else if (now().is("[")) {
        take();
        const bool constant = now().kind == Kind::text && ahead().is("]");
        if (constant && chain) chain->fields.push_back({lua_text(now().raw), place_of(now())});
        if (constant) take();
        else end_chain(How::dynamic), expression();
        expect("]");
      } else if (accept(":")) {
        const LuaToken& method = expect_name();
        if (chain) chain->fields.push_back({std::string(method.raw), place_of(method)});
        end_chain(How::method);
        arguments();
      } else if (now().is("(") || now().is("{") || now().kind == Kind::text) {
        const auto called = chain;  // NOLINT(performance-unnecessary-copy-initialization): end_chain empties it
        end_chain(How::call);
        auto given = arguments();
        if (called) found_.calls.push_back({*called, std::move(given)});
      } else {
        break;
      }
    }
    if (!chain) return {};
    return {chain, -1, note(*chain, How::read)};
  }

  std::vector<std::optional<LuaChain>> arguments() {
    std::vector<std::optional<LuaChain>> all;
    if (now().kind == Kind::text) return take(), all.emplace_back(), all;
    if (now().is("{")) return table(), all.emplace_back(), all;
    expect("(");
    if (good_ && !now().is(")"))
      for (const Value& value : expressions()) all.push_back(value.chain);
    expect(")");
    return all;
  }

 public:
  // Reads of a chain that only make a name for it, and one that keeps its meaning.
  void mark_aliases(LuaNames& names) const {
    for (const auto& [use, local] : aliases_)
      if (!names.variables[static_cast<std::size_t>(local)].reassigned)
        names.uses[static_cast<std::size_t>(use)].how = How::alias;
  }

 private:
  std::vector<LuaToken> tokens_;
  std::size_t at_ = 0;
  bool good_ = true;
  int depth_ = 0;
  int functions_open_ = 0;
  std::vector<int> scope_;
  std::vector<std::pair<int, int>> aliases_;
  LuaNames found_;
};

}  // namespace

Result<LuaNames> lua_names(std::string_view source) {
  TRY_ASSIGN(auto tokens, lua_tokens(source));
  Reader reader(std::move(tokens));
  TRY_ASSIGN(auto names, reader.run());
  reader.mark_aliases(names);
  return names;
}

}  // namespace penstock::scripting
