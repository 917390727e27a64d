#pragma once
// A `when:` on its own, for destinations: compiled once, asked for every event. One thread at a time.

#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"
#include "pipeline/scripting/vm/limits.h"

namespace penstock::scripting {

class Condition {
 public:
  // `expression` is Lua, with `event` and `facts` in scope: event.properties.plan ~= "free". An error says where it is wrong.
  static Result<Condition> compile(std::string expression, const Limits& limits = {}, const Clock& clock = system_clock());
  ~Condition();
  Condition(Condition&&) noexcept;
  Condition& operator=(Condition&&) noexcept;

  // nil, false and JSON null are no, everything else is yes. An error is the event's, with the place in the expression; the
  // next event is asked afresh.
  // `body` is a valid object, read only as far as the expression looks into it.
  Result<bool> eval(std::string_view body, const Facts& facts);

 private:
  struct Impl;
  explicit Condition(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::scripting
