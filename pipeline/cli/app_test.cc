// penstock app test: the cases of Lua apps.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/app_folders.h"
#include "pipeline/cli/app_report.h"
#include "pipeline/cli/app_watch.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/config/json_writer.h"
#include "pipeline/scripting/cases/app_cases.h"
#include "pipeline/scripting/cases/case_update.h"
#include "pipeline/scripting/cases/coverage.h"
#include "pipeline/scripting/package/app_files.h"

namespace penstock::cli {
namespace {

using scripting::CaseOutcome;

// What became of one app.
struct Tested {
  std::string folder;
  std::string error;  // not empty: it could not be tested
  scripting::CaseFile file;
  std::vector<CaseOutcome> outcomes;
  std::vector<scripting::FileCoverage> coverage;

  std::ptrdiff_t passed() const { return std::ranges::count_if(outcomes, &CaseOutcome::passed); }
  std::ptrdiff_t failed() const { return std::ssize(outcomes) - passed(); }
  bool good() const { return error.empty() && failed() == 0; }
};

// An app that cannot be loaded fails every case in the same way.
const std::string* common_cause(const std::vector<CaseOutcome>& outcomes) {
  if (outcomes.empty()) return nullptr;
  const std::string& first = outcomes.front().not_loaded;
  const auto same = [&](const CaseOutcome& outcome) { return !outcome.ran && outcome.not_loaded == first; };
  return !first.empty() && std::ranges::all_of(outcomes, same) ? &first : nullptr;
}

Result<void> run_all(Tested& tested, bool coverage) {
  TRY_ASSIGN(tested.file, scripting::read_case_file(tested.folder));
  scripting::Coverage lines;
  for (const auto& one : tested.file.cases)
    tested.outcomes.push_back(scripting::run_case(tested.folder, one, coverage ? &lines : nullptr));
  if (const std::string* cause = common_cause(tested.outcomes)) {
    auto wrong = fail(ErrorKind::invalid, *cause);
    tested.outcomes.clear();
    return wrong;
  }
  if (!coverage) return {};
  TRY_ASSIGN(const auto source, scripting::AppSource::load(tested.folder));
  TRY_ASSIGN(tested.coverage, lines.over(source));
  return {};
}

Tested test_app(const std::string& folder, bool coverage) {
  Tested tested{folder, {}, {}, {}, {}};
  if (const auto ran = run_all(tested, coverage); !ran) tested.error = ran.error().message;
  return tested;
}

std::string shown_coverage(const scripting::FileCoverage& covered, const Paint& paint) {
  std::string text =
      fmt::format("  {} {} % ({} of {} lines)", covered.file, covered.percent(), covered.ran(), covered.lines.size());
  if (!covered.missed.empty()) text += fmt::format("; never run: {}", covered.missed_ranges());
  return (covered.missed.empty() ? paint.faint(text) : paint.warning(text)) + "\n";
}

void print_text(const Tested& tested, const Paint& paint) {
  const std::string name = app_name(tested.folder);
  if (!tested.error.empty()) {
    fmt::print("{:<24} {}\n{}", name, paint.removed("cannot be tested"), indented(tested.error, "  "));
    return;
  }
  fmt::print("{:<24} {} passed, {} failed\n", name, tested.passed(), tested.failed());
  for (const CaseOutcome& outcome : tested.outcomes)
    if (!outcome.passed()) fmt::print("{}", shown_outcome(outcome, paint));
  for (const auto& covered : tested.coverage) fmt::print("{}", shown_coverage(covered, paint));
}

void write_case(const CaseOutcome& outcome, config::JsonWriter& json) {
  json.begin_object();
  json.member("name", outcome.name);
  json.raw_member("line", std::to_string(outcome.at.line));
  json.raw_member("passed", outcome.passed() ? "true" : "false");
  if (!outcome.passed()) {
    json.key("problems");
    json.begin_list();
    for (const std::string& line : outcome.lines()) json.text(line);
    json.end_list();
    json.member("got", outcome.got());
  }
  json.end_object();
}

void write_coverage(const scripting::FileCoverage& covered, config::JsonWriter& json) {
  json.begin_object();
  json.member("file", covered.file);
  json.raw_member("lines", std::to_string(covered.lines.size()));
  json.raw_member("ran", std::to_string(covered.ran()));
  json.raw_member("never_run", fmt::format("[{}]", fmt::join(covered.missed, ", ")));
  json.end_object();
}

void write_app(const Tested& tested, config::JsonWriter& json) {
  json.begin_object();
  json.member("app", app_name(tested.folder));
  json.member("folder", tested.folder);
  if (!tested.error.empty()) json.member("error", tested.error);
  json.raw_member("passed", std::to_string(tested.passed()));
  json.raw_member("failed", std::to_string(tested.failed()));
  json.key("cases");
  json.begin_list();
  for (const CaseOutcome& outcome : tested.outcomes) write_case(outcome, json);
  json.end_list();
  if (!tested.coverage.empty()) {
    json.key("coverage");
    json.begin_list();
    for (const auto& covered : tested.coverage) write_coverage(covered, json);
    json.end_list();
  }
  json.end_object();
}

void print_json(const std::vector<Tested>& all) {
  config::JsonWriter json;
  json.begin_object();
  json.key("apps");
  json.begin_list();
  for (const Tested& tested : all) write_app(tested, json);
  json.end_list();
  json.end_object();
  fmt::print("{}", std::move(json).take());
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) return fail(ErrorKind::io, fmt::format("write {}: the system refuses; is there space, and permission?", path));
  return {};
}

// Writes the file anew and says what changed; to standard error, which a script reading JSON does not read.
Result<void> update(const Tested& tested) {
  if (scripting::is_bundled(tested.folder))
    return fail(ErrorKind::invalid,
                fmt::format("{} comes with penstock: copy its folder to apps/ to change it", app_name(tested.folder)));
  const auto updated = scripting::update_cases(tested.file, tested.outcomes);
  if (updated.text != tested.file.text) TRY(write_file(tested.file.path, updated.text));
  for (const auto& change : updated.updates) {
    if (!change.refused.empty()) {
      fmt::print(stderr, "not updated: {}: {}\n{}", change.at.to_string(), change.name, indented(change.refused, "    "));
    } else {
      fmt::print(stderr, "updated: {}: {}\n{}{}", change.at.to_string(), change.name, indented(change.before, "    - "),
                 indented(change.after, "    + "));
    }
  }
  return {};
}

class TestRun {
 public:
  TestRun(const AppTestOptions& options, const topology::PlanContext& context) : options_(options), context_(context) {}

  int once() {
    const auto folders = app_folders(options_.names, context_);
    if (!folders) return refuse(folders.error(), kUsage);
    std::vector<Tested> all;
    for (const std::string& folder : *folders) {
      all.push_back(test_app(folder, options_.coverage));
      if (options_.update && !all.back().good() && all.back().error.empty()) {
        if (const auto updated = update(all.back()); !updated) return refuse(updated.error(), kCannot);
        all.back() = test_app(folder, options_.coverage);
      }
      if (!options_.json) print_text(all.back(), Paint::for_output());
    }
    if (options_.json) print_json(all);
    return std::ranges::all_of(all, &Tested::good) ? kOk : kNotWell;
  }

  int watch() {
    if (!app_folders(options_.names, context_)) return once();  // says what is wrong with the names
    const auto run = [this] {
      const int code = once();
      fmt::print("{}\n", Paint::for_output().faint("watching; Ctrl-C ends"));
      std::fflush(stdout);
      return code;
    };
    const auto code = run_at_changes([this] { return folders_on_disk(); }, run);
    return code ? *code : refuse(code.error(), kCannot);
  }

 private:
  // Those that were there once stay: a checkout, or an editor, takes a folder away and brings it back.
  std::vector<std::string> folders_on_disk() {
    for (std::string& folder : app_folders(options_.names, context_).value_or(std::vector<std::string>{}))
      if (!scripting::is_bundled(folder)) watched_.insert(std::move(folder));
    return {watched_.begin(), watched_.end()};
  }

  const AppTestOptions& options_;
  const topology::PlanContext& context_;
  std::set<std::string> watched_;
};

}  // namespace

int test_apps(AppTestOptions options, const topology::PlanContext& context) {
  if (const char* set = std::getenv("UPDATE"); set != nullptr && std::string_view(set) == "1") options.update = true;
  TestRun run(options, context);
  return options.watch ? run.watch() : run.once();
}

}  // namespace penstock::cli
