#include "pipeline/scripting/cases/case_run.h"

#include <fmt/format.h>

#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/event/timestamps.h"
#include "pipeline/ports/memory_state.h"
#include "pipeline/scripting/cases/coverage.h"
#include "pipeline/scripting/transform/chain.h"

namespace penstock::scripting {
namespace {

class CaseRunner {
 public:
  CaseRunner(const std::string& folder, const AppCase& one, Coverage* coverage)
      : folder_(folder), case_(one), coverage_(coverage), now_(parse_timestamp(one.now).value_or(Timestamp{})) {
    outcome_.name = one.name;
    outcome_.at = one.at;
  }

  CaseOutcome run() {
    if (const auto passed = pass_all(); !passed) {
      outcome_.reason = passed.error().message;
      return std::move(outcome_);
    }
    outcome_.ran = true;
    compare();
    outcome_.out_differs = !outcome_.passed();
    if (outcome_.passed()) compare_log();
    return std::move(outcome_);
  }

 private:
  Result<void> pass_all() {
    TRY_ASSIGN(const auto plan, plan_case());
    TRY_ASSIGN(const auto chain,
               Chain::make(plan, [this](LogLevel, std::string_view, std::string_view line) { logged_.emplace_back(line); }));
    chain->begin_batch(now_, &state_);
    const auto inputs = case_events(case_.in);
    if (!inputs) return fail(inputs.error().context("in"));
    for (const std::string& input : *inputs)
      if (auto wrong = pass(*chain, input); !wrong) return fail(wrong.error().context("in"));
    return {};
  }

  Result<std::shared_ptr<const ChainPlan>> plan_case() {
    config::Problems problems;
    AppEntry entry;
    entry.folder = folder_;
    entry.settings = case_.with;
    entry.path = case_.name;
    entry.at = case_.at;
    auto plan = plan_chain({entry}, problems);
    if (problems.size() == 1) outcome_.not_loaded = problems.front().message;
    if (plan == nullptr) return fail(ErrorKind::invalid, joined(problems));
    if (coverage_ == nullptr) return plan;
    auto heard = std::make_shared<ChainPlan>(*plan);
    heard->apps.front().on_line = [this](std::string_view file, int line) { coverage_->note(file, line); };
    return heard;
  }

  Result<void> pass(Chain& chain, const std::string& body) {
    json::ObjectIndex index;
    TRY(validator_.validate(body, index));
    FactReader reader({}, case_.facts ? case_.facts->project : "test");
    const RecordPlace place{.source = "case", .partition = "0", .offset = offset_++};
    const auto read = reader.read(index, place, now_);
    Facts facts = read ? *read : Facts{};
    if (!read) facts.uuid = derived_uuid(place);
    if (!read) facts.timestamp = facts.received_at = now_;
    if (case_.facts) {
      facts.event = case_.facts->event;
      facts.distinct_id = case_.facts->distinct_id;
      facts.source = case_.facts->source;
    }
    chain.run(index, facts, read && !case_.facts, out_);
    if (out_.kind != Transformed::Kind::failed) state_.apply(out_.state);
    if (out_.kind == Transformed::Kind::failed && outcome_.failure.empty()) {
      outcome_.failure = out_.reason;
      outcome_.traceback = out_.traceback;
    }
    if (out_.kind == Transformed::Kind::kept)
      for (const EventView& event : out_.events) outcome_.events.emplace_back(event.body);
    return {};
  }

  void compare() {
    const std::string word = case_.out.kind == config::Node::Kind::scalar ? case_.out.text : "";
    if (word == "error" || word.starts_with("error:")) {
      const std::size_t start = word.find_first_not_of(' ', 6);
      const std::string part = start == std::string::npos ? "" : word.substr(start);
      if (outcome_.failure.empty() || !outcome_.failure.contains(part))
        outcome_.reason = fmt::format("expected {}, got {}", word, outcome_.got());
      return;
    }
    if (!outcome_.failure.empty()) {
      outcome_.reason = fmt::format("expected no error, got {}", outcome_.failure);
      return;
    }
    if (word == "drop") {
      if (!outcome_.events.empty()) outcome_.reason = fmt::format("expected drop, got {}", outcome_.got());
      return;
    }
    compare_events();
  }

  void compare_events() {
    const auto expected = case_events(case_.out);
    if (!expected) {
      outcome_.reason = "out: " + expected.error().message;
      return;
    }
    const auto& got = outcome_.events;
    if (expected->size() != got.size()) {
      outcome_.reason = fmt::format("expected {} event(s), got {}", expected->size(), outcome_.got());
      return;
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
      auto fields = differences((*expected)[i], got[i]);
      if (!fields.empty())
        outcome_.different.push_back({got.size() == 1 ? 0 : i + 1, (*expected)[i], got[i], std::move(fields)});
    }
  }

  void compare_log() {
    if (!case_.log) return;
    std::size_t at = 0;
    for (const std::string& wanted : *case_.log) {
      while (at < logged_.size() && !logged_[at].contains(wanted)) ++at;
      if (at++ < logged_.size()) continue;
      outcome_.reason = fmt::format("expected a line with \"{}\" in the log, got {}", wanted, shown_log());
      return;
    }
    if (case_.log->empty() && !logged_.empty())
      outcome_.reason = fmt::format("expected no line in the log, got {}", shown_log());
  }

  std::string shown_log() const { return logged_.empty() ? "none" : fmt::format("\"{}\"", fmt::join(logged_, "\", \"")); }

  const std::string& folder_;
  const AppCase& case_;
  Coverage* coverage_;
  Timestamp now_;
  MemoryState state_;
  json::Validator validator_;
  std::uint64_t offset_ = 0;
  Transformed out_;
  std::vector<std::string> logged_;
  CaseOutcome outcome_;
};

}  // namespace

std::string CaseOutcome::got() const {
  if (!failure.empty()) return "error: " + failure;
  if (events.empty()) return "drop";
  return fmt::format("{}", fmt::join(events, " "));
}

std::vector<std::string> CaseOutcome::lines() const {
  std::vector<std::string> all;
  if (!reason.empty()) all.push_back(reason);
  if (!reason.empty() && !traceback.empty()) all.push_back(traceback);
  for (const EventDifferences& event : different)
    for (const Difference& field : event.fields)
      all.push_back(event.place == 0 ? as_expectation(field)
                                     : fmt::format("event {}: {}", event.place, as_expectation(field)));
  return all;
}

CaseOutcome run_case(const std::string& folder, const AppCase& one, Coverage* coverage) {
  return CaseRunner(folder, one, coverage).run();
}

}  // namespace penstock::scripting
