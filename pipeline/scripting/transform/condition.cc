#include "pipeline/scripting/transform/condition.h"

#include <lua.hpp>

#include "pipeline/scripting/transform/expression.h"
#include "pipeline/scripting/transform/plain_condition.h"

namespace penstock::scripting {
namespace {

constexpr int kFunction = 2;

// One state with the expression in it.
struct Compiled {
  std::unique_ptr<Vm> vm;
  std::unique_ptr<Binding> binding;
};

Result<Compiled> build(const std::string& expression, const Limits& limits, const Clock& clock) {
  Compiled compiled;
  TRY_ASSIGN(compiled.vm, Vm::create(limits, clock));
  compiled.binding = std::make_unique<Binding>(*compiled.vm);
  TRY(compiled.binding->install());
  compiled.vm->freeze_globals();
  TRY(push_expression(*compiled.vm, expression));
  return compiled;
}

}  // namespace

struct Condition::Impl {
  Impl(std::string text, const Limits& its_limits, const Clock& its_clock)
      : expression(std::move(text)), limits(its_limits), clock(its_clock), event(arena) {}

  std::string expression;
  Limits limits;
  const Clock& clock;
  Compiled compiled;
  std::optional<PlainCondition> plain;
  Arena arena;
  EventState event;
};

Condition::Condition(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Condition::~Condition() = default;
Condition::Condition(Condition&&) noexcept = default;
Condition& Condition::operator=(Condition&&) noexcept = default;

Result<Condition> Condition::compile(std::string expression, const Limits& limits, const Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(expression), limits, clock);
  TRY_ASSIGN(impl->compiled, build(impl->expression, limits, clock));
  impl->plain = PlainCondition::parse(impl->expression);
  return Condition(std::move(impl));
}

Result<bool> Condition::eval(std::string_view body, const Facts& facts) {
  if (impl_->plain) {
    const auto verdict = impl_->plain->of(body, facts);
    if (verdict != PlainCondition::Verdict::ask_lua) return verdict == PlainCondition::Verdict::yes;
  }
  if (impl_->compiled.vm->spent()) {
    TRY_ASSIGN(impl_->compiled, build(impl_->expression, impl_->limits, impl_->clock));
  }
  impl_->arena.reset();
  impl_->event.open(body, facts, false);
  const Answer answer = evaluate(*impl_->compiled.vm, *impl_->compiled.binding, kFunction, impl_->event);
  if (answer != Answer::failed) return answer == Answer::yes;
  const ScriptFailure& failure = impl_->compiled.vm->failure();
  return fail(failure.stop == Stop::none ? ErrorKind::invalid : ErrorKind::limit, failure.message);
}

}  // namespace penstock::scripting
