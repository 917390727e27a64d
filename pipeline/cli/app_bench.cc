// penstock app bench: what an app costs for each event.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/app_folders.h"
#include "pipeline/cli/app_settings.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/cli/paint.h"
#include "pipeline/config/json_writer.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/measure/app_cost.h"
#include "pipeline/scripting/package/manifest.h"

namespace penstock::cli {
namespace {

using scripting::AppCost;

constexpr std::size_t kSamplesMax = 10'000;

struct Input {
  std::vector<std::string> events;
  config::Node settings;
  std::string words;  // what it is, for people
};

bool is_event(const std::string& text) {
  json::Validator validator;
  json::ObjectIndex index;
  return validator.validate(text, index).has_value();
}

Result<std::vector<std::string>> events_of_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(ErrorKind::io, fmt::format("open {}: there is no such file, or it may not be read", path));
  std::vector<std::string> events;
  std::string line;
  while (events.size() < kSamplesMax && std::getline(file, line))
    if (is_event(line)) events.push_back(line);
  if (events.empty()) return fail(ErrorKind::invalid, fmt::format("{}: no line of it is an event", path));
  return events;
}

// Those of all cases, whatever their settings: what is measured is one app with one set of them.
std::vector<std::string> events_of_cases(const std::vector<scripting::AppCase>& cases) {
  std::vector<std::string> all;
  for (const auto& one : cases) {
    const auto events = scripting::case_events(one.in);
    if (events) std::ranges::copy_if(*events, std::back_inserter(all), is_event);
  }
  return all;
}

bool needs_settings(const std::string& folder) {
  config::Problems problems;
  const auto manifest = scripting::Manifest::load(folder, problems);
  return manifest && std::ranges::any_of(manifest->settings, &scripting::SettingInfo::required);
}

Result<Input> input_for(const std::string& folder, const AppBenchOptions& options) {
  Input input;
  const auto cases = scripting::read_case_file(folder);
  if (options.settings.empty() && cases && needs_settings(folder)) {
    const auto with =
        std::ranges::find_if(cases->cases, [](const auto& one) { return one.with.kind == config::Node::Kind::map; });
    if (with != cases->cases.end()) {
      input.settings = with->with;
      input.words = fmt::format("with the settings of its case \"{}\"; ", with->name);
    }
  }
  if (input.words.empty()) {
    TRY_ASSIGN(input.settings, settings_from(options.settings, folder));
  }
  if (!options.in.empty()) {
    TRY_ASSIGN(input.events, events_of_file(options.in));
    input.words += fmt::format("events of {}", options.in);
    return input;
  }
  if (cases) input.events = events_of_cases(cases->cases);
  input.words += input.events.empty() ? "one event of ordinary size" : "events of its cases and one of ordinary size";
  input.events.emplace_back(scripting::ordinary_event());
  return input;
}

void print_text(const AppCost& cost, const Input& input, const std::string& name) {
  const Paint paint = Paint::for_output();
  fmt::print("{}: {} ({} different, {:.0f} bytes on average)\n", paint.strong(name), input.words, cost.samples, cost.bytes);
  if (cost.failing > 0) fmt::print("  {} left out, on which it fails: {}\n", cost.failing, cost.failure);
  fmt::print("  {} an event (median of 7 runs of {}; {:.0f} to {:.0f}), {:.0f} events a second\n",
             paint.strong(fmt::format("{:.0f} ns", cost.median)), cost.events, cost.fastest, cost.slowest,
             1e9 / cost.median);
  fmt::print("  {:.0f} ns of it are what any app costs: opening the event, entering Lua, writing it out\n", cost.floor);
  const auto row = [&](std::string_view what, double value, std::string_view more = "") {
    fmt::print("  {:<28} {:>8.1f}{}\n", what, value, more);
  };
  fmt::print("for each event\n");
  row("Lua objects made", cost.each(cost.counts.allocations),
      fmt::format("  ({:.0f} bytes)", cost.each(cost.counts.allocated_bytes)));
  row("values decoded", cost.each(cost.counts.values_read));
  row("objects, arrays looked into", cost.each(cost.counts.parts_read));
  row("missing fields asked for", cost.each(cost.counts.missing_read));
  row("members visited by pairs", cost.each(cost.counts.walked));
  row("fields assigned", cost.each(cost.counts.assigned), fmt::format("  ({:.0f} bytes)", cost.assigned_bytes));
  for (const auto& [function, calls] : cost.counts.app_calls) row(fmt::format("app.{}", function), cost.each(calls));
  const auto advice = scripting::cost_advice(cost);
  for (const std::string& line : advice) fmt::print("{} {}\n", paint.warning("→"), line);
  if (advice.empty()) fmt::print("nothing stands out\n");
}

void print_json(const AppCost& cost, const std::string& name) {
  config::JsonWriter json;
  const auto number = [&json](std::string_view key, double value) { json.raw_member(key, fmt::format("{:.3f}", value)); };
  json.begin_object();
  json.member("app", name);
  number("nanoseconds", cost.median);
  number("nanoseconds_fastest", cost.fastest);
  number("nanoseconds_slowest", cost.slowest);
  number("nanoseconds_of_any_app", cost.floor);
  number("events_per_second", 1e9 / cost.median);
  json.raw_member("samples", std::to_string(cost.samples));
  json.raw_member("samples_left_out", std::to_string(cost.failing));
  number("bytes", cost.bytes);
  number("allocations", cost.each(cost.counts.allocations));
  number("allocated_bytes", cost.each(cost.counts.allocated_bytes));
  number("values_decoded", cost.each(cost.counts.values_read));
  number("containers_indexed", cost.each(cost.counts.parts_read));
  number("missing_read", cost.each(cost.counts.missing_read));
  number("members_visited", cost.each(cost.counts.walked));
  number("fields_assigned", cost.each(cost.counts.assigned));
  number("bytes_assigned", cost.assigned_bytes);
  json.key("app_calls");
  json.begin_object();
  for (const auto& [function, calls] : cost.counts.app_calls) number(function, cost.each(calls));
  json.end_object();
  json.key("advice");
  json.begin_list();
  for (const std::string& line : scripting::cost_advice(cost)) json.text(line);
  json.end_list();
  json.end_object();
  fmt::print("{}", std::move(json).take());
}

}  // namespace

int bench_app(const AppBenchOptions& options, const topology::PlanContext& context) {
  const auto folder = app_folder(options.name, context);
  if (!folder) return refuse(folder.error(), kUsage);
  const auto input = input_for(*folder, options);
  if (!input) return refuse(input.error(), input.error().kind == ErrorKind::io ? kCannot : kUsage);
  const auto cost = scripting::measure_app(*folder, input->settings, input->events, options.events);
  if (!cost) return refuse(cost.error(), kNotWell);
  if (options.json) print_json(*cost, app_name(*folder));
  else print_text(*cost, *input, app_name(*folder));
  return kOk;
}

}  // namespace penstock::cli
