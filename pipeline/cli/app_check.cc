// penstock app check: mistakes that can be seen without running anything.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/app_folders.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/cli/paint.h"
#include "pipeline/config/json_writer.h"
#include "pipeline/scripting/check/app_check.h"

namespace penstock::cli {
namespace {

using scripting::Finding;

void write(const Finding& finding, config::JsonWriter& json) {
  json.begin_object();
  json.member("file", *finding.at.file);
  json.raw_member("line", std::to_string(finding.at.line));
  json.raw_member("column", std::to_string(finding.at.column));
  json.member("severity", finding.hint ? "hint" : "error");
  json.member("message", finding.message);
  json.end_object();
}

void print_json(const std::vector<Finding>& findings) {
  config::JsonWriter json;
  json.begin_object();
  json.key("findings");
  json.begin_list();
  for (const Finding& finding : findings) write(finding, json);
  json.end_list();
  json.end_object();
  fmt::print("{}", std::move(json).take());
}

}  // namespace

int check_apps(const std::vector<std::string>& names, bool as_json, const topology::PlanContext& context) {
  const auto folders = app_folders(names, context);
  if (!folders) return refuse(folders.error(), kUsage);
  const Paint paint = Paint::for_output();
  std::vector<Finding> all;
  for (const std::string& folder : *folders) {
    const auto findings = scripting::check_app(folder);
    all.insert(all.end(), findings.begin(), findings.end());
    if (as_json) continue;
    const auto errors = static_cast<std::size_t>(std::ranges::count(findings, false, &Finding::hint));
    const std::size_t hints = findings.size() - errors;
    fmt::print(
        "{:<24} {}\n", app_name(folder),
        findings.empty() ? "nothing to say" : fmt::format("{}, {}", counted(errors, "error"), counted(hints, "hint")));
    for (const Finding& finding : findings)
      fmt::print("  {}\n", finding.hint ? paint.faint(finding.to_string()) : finding.to_string());
  }
  if (as_json) print_json(all);
  return std::ranges::all_of(all, &Finding::hint) ? kOk : kNotWell;
}

}  // namespace penstock::cli
