#include "pipeline/scripting/cases/case_update.h"

#include <fmt/format.h>

#include "pipeline/event/json.h"
#include "pipeline/scripting/cases/json_diff.h"
#include "pipeline/scripting/cases/yaml_extent.h"
#include "pipeline/scripting/cases/yaml_json.h"

namespace penstock::scripting {
namespace {

using Style = YamlExtent::Style;

std::string json_of(const CaseOutcome& outcome) {
  if (outcome.events.size() == 1) return outcome.events.front();
  return fmt::format("[{}]", fmt::join(outcome.events, ","));
}

bool is_word(const CaseOutcome& outcome) { return !outcome.failure.empty() || outcome.events.empty(); }

// What came out, in one line.
std::string one_line(const CaseOutcome& outcome) {
  std::string text;
  if (is_word(outcome)) append_yaml_text(outcome.got(), text);
  else append_yaml(json_of(outcome), text);
  return text;
}

// JSON text in single quotes: what can be written whatever it holds.
std::string quoted_json(const CaseOutcome& outcome) {
  std::string text = "'";
  std::string compact;
  json::append_compact(compact, json_of(outcome));
  for (const char c : compact) text += c == '\'' ? std::string("''") : std::string(1, c);
  return text + "'";
}

std::string literal(const CaseOutcome& outcome, std::string_view header, std::size_t indent) {
  const std::string margin = "\n" + std::string(indent, ' ');
  std::string text(header);
  text += margin;
  if (outcome.events.size() == 1) return text + outcome.events.front();
  return text + fmt::format("[{}]", fmt::join(outcome.events, "," + margin + " "));
}

std::string in_style(const CaseOutcome& outcome, const YamlExtent& extent, std::string_view before) {
  if (is_word(outcome)) return one_line(outcome);
  if (extent.style == Style::literal) return literal(outcome, before.substr(0, before.find('\n')), extent.indent);
  if (extent.style != Style::block) return one_line(outcome);
  std::string text;
  append_yaml_lines(json_of(outcome), extent.indent, text);
  return text;
}

std::string canonical(const config::Node& node) {
  std::string text;
  append_json(node, text);
  return text;
}

bool means(const config::Node& out, const CaseOutcome& outcome) {
  if (is_word(outcome)) return out.kind == config::Node::Kind::scalar && out.text == outcome.got();
  const auto events = case_events(out);
  if (!events || events->size() != outcome.events.size()) return false;
  for (std::size_t i = 0; i < events->size(); ++i)
    if (!differences((*events)[i], outcome.events[i]).empty()) return false;
  return true;
}

// Whether `text` is the file with another `out:` of case `changed`, and that one means what came out.
bool is_only_change(const std::string& text, const CaseFile& file, const std::vector<AppCase>& before, std::size_t changed,
                    const CaseOutcome& outcome) {
  const auto after = parse_cases(text, file.path);
  if (!after || after->size() != before.size()) return false;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const AppCase& a = before[i];
    const AppCase& b = (*after)[i];
    if (a.name != b.name || canonical(a.with) != canonical(b.with) || canonical(a.in) != canonical(b.in)) return false;
    if (i == changed ? !means(b.out, outcome) : canonical(a.out) != canonical(b.out)) return false;
  }
  return true;
}

class Updater {
 public:
  Updater(const CaseFile& file, const std::vector<CaseOutcome>& outcomes) : file_(file), outcomes_(outcomes) {
    result_.text = file.text;
  }

  // From the last to the first, so that places further up stay what they are.
  UpdatedCases run() {
    for (std::size_t i = outcomes_.size(); i-- > 0;)
      if (!outcomes_[i].passed()) result_.updates.insert(result_.updates.begin(), update(i));
    return std::move(result_);
  }

 private:
  CaseUpdate update(std::size_t i) {
    const CaseOutcome& outcome = outcomes_[i];
    CaseUpdate done{outcome.name, outcome.at, {}, {}, {}};
    if (!outcome.ran) done.refused = outcome.reason;
    else if (!outcome.out_differs) done.refused = "what it logs differs, and only `out:` is rewritten";
    if (!done.refused.empty()) return done;
    const std::string& text = result_.text;
    const std::size_t start = yaml_offset(text, file_.cases[i].at.line, file_.cases[i].at.column);
    const std::size_t key = yaml_offset(text, file_.cases[i].out_at.line, file_.cases[i].out_at.column);
    if (!std::string_view(text).substr(key).starts_with("out")) {
      done.refused = "the key `out` is written in quotes: take them away";
      return done;
    }
    const YamlExtent extent = yaml_value_extent(text, key, text[start] == '{');
    done.before = text.substr(extent.from, extent.to - extent.from);
    const auto before = parse_cases(text, file_.path);
    for (const std::string& candidate : {in_style(outcome, extent, done.before), one_line(outcome), quoted_json(outcome)}) {
      std::string changed = text.substr(0, extent.from) + (extent.style == Style::nothing ? " " : "") + candidate;
      changed += text.substr(extent.to);
      if (!before || !is_only_change(changed, file_, *before, i, outcome)) continue;
      done.after = candidate;
      result_.text = std::move(changed);
      return done;
    }
    done.refused = "its `out:` cannot be rewritten without touching something else: edit it by hand";
    return done;
  }

  const CaseFile& file_;
  const std::vector<CaseOutcome>& outcomes_;
  UpdatedCases result_;
};

}  // namespace

UpdatedCases update_cases(const CaseFile& file, const std::vector<CaseOutcome>& outcomes) {
  return Updater(file, outcomes).run();
}

}  // namespace penstock::scripting
