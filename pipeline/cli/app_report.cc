#include "pipeline/cli/app_report.h"

#include "pipeline/base/printable.h"

namespace penstock::cli {
namespace {

using scripting::Difference;
using scripting::shown_json;

constexpr std::size_t kValueShown = 300;
constexpr std::size_t kSmallEvent = 160;

bool is_small(const std::string& event) { return event.size() <= kSmallEvent; }

std::string whole_event(const scripting::CaseOutcome::EventDifferences& event, const Paint& paint) {
  if (!is_small(event.expected) || !is_small(event.got)) return {};
  return fmt::format("      {}\n      {}\n", paint.faint("expected " + shown_json(event.expected, kSmallEvent)),
                     paint.faint("got      " + shown_json(event.got, kSmallEvent)));
}

}  // namespace

std::string shown_differences(const std::vector<Difference>& fields, const std::string& margin, const Paint& paint) {
  std::string text;
  for (const Difference& field : fields) {
    const std::string path = field.path.empty() ? "the event" : field.path;
    const auto line = [&](char sign, const std::string& raw) {
      return fmt::format("{} {}: {}", sign, printable(path), printable(shown_json(raw, kValueShown)));
    };
    if (!field.before.empty()) text += margin + paint.removed(line('-', field.before)) + "\n";
    if (!field.after.empty()) text += margin + paint.added(line('+', field.after)) + "\n";
  }
  return text;
}

std::string indented(std::string_view text, const std::string& margin) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += margin;
    out += text.substr(0, end);
    out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string shown_outcome(const scripting::CaseOutcome& outcome, const Paint& paint) {
  std::string text = fmt::format("  {} {}: {}\n", paint.removed("FAIL"), outcome.at.to_string(), paint.strong(outcome.name));
  if (!outcome.reason.empty()) text += indented(outcome.reason, "      ");
  if (!outcome.reason.empty() && !outcome.traceback.empty()) text += indented(outcome.traceback, "        ");
  if (!outcome.different.empty()) text += fmt::format("      {} {}\n", paint.removed("- expected"), paint.added("+ got"));
  for (const auto& event : outcome.different) {
    if (event.place > 0) text += fmt::format("      event {}\n", event.place);
    text += shown_differences(event.fields, "      ", paint);
    text += whole_event(event, paint);
  }
  return text;
}

}  // namespace penstock::cli
