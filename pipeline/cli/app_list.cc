// penstock app list, penstock app show: which apps there are, and all about one.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/app_folders.h"
#include "pipeline/cli/app_report.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/config/json_writer.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/cases/yaml_json.h"
#include "pipeline/scripting/package/app_files.h"
#include "pipeline/scripting/package/manifest.h"

namespace penstock::cli {
namespace {

using scripting::Manifest;
using scripting::SettingInfo;

constexpr int kReadmeLines = 12;

std::string one_line(const config::Node& node) {
  std::string json;
  scripting::append_json(node, json);
  return json;
}

// `required`, `default 5`, `secret`, `one of a, b`.
std::string traits(const SettingInfo& setting) {
  std::vector<std::string> all;
  if (setting.required) all.emplace_back("required");
  if (setting.initial.kind != config::Node::Kind::null) all.push_back("default " + one_line(setting.initial));
  if (setting.secret) all.emplace_back("secret");
  if (!setting.choices.empty()) all.push_back(fmt::format("one of {}", fmt::join(setting.choices, ", ")));
  return fmt::format("{}", fmt::join(all, "; "));
}

void write_setting(const SettingInfo& setting, config::JsonWriter& json) {
  json.begin_object();
  json.member("name", setting.name);
  json.member("type", config::name_of(setting.type));
  json.raw_member("required", setting.required ? "true" : "false");
  json.raw_member("secret", setting.secret ? "true" : "false");
  if (setting.initial.kind != config::Node::Kind::null) json.raw_member("default", one_line(setting.initial));
  if (!setting.choices.empty()) {
    json.key("choices");
    json.texts({setting.choices.begin(), setting.choices.end()});
  }
  json.member("doc", setting.doc);
  json.end_object();
}

void write_head(const Manifest& manifest, const std::string& folder, config::JsonWriter& json) {
  json.member("name", manifest.name);
  json.member("version", manifest.version);
  json.member("kind", config::name_of(manifest.kind));
  json.member("summary", manifest.summary);
  json.member("folder", folder);
  json.raw_member("bundled", scripting::is_bundled(folder) ? "true" : "false");
}

// What stands in the README before its second heading, at most some lines of it.
std::string readme_head(const std::string& folder) {
  const auto text = scripting::read_app_file(folder + "/README.md");
  if (!text) return {};
  std::string head;
  std::size_t at = 0;
  for (int line = 0; line < kReadmeLines && at < text->size(); ++line) {
    const auto end = std::min(text->find('\n', at), text->size());
    const std::string_view words(text->data() + at, end - at);
    if (line > 0 && words.starts_with('#')) break;
    head += std::string(words) + "\n";
    at = end + 1;
  }
  return head;
}

// A value that passes for the setting, for an example.
std::string sample(const SettingInfo& setting) {
  if (!setting.choices.empty()) return setting.choices.front();
  if (setting.secret) return "${env:SECRET}";
  switch (setting.type) {
    case scripting::SettingType::string: return "text";
    case scripting::SettingType::integer: return "1";
    case scripting::SettingType::number: return "1.5";
    case scripting::SettingType::boolean: return "true";
    case scripting::SettingType::list: return "[properties.email]";
    case scripting::SettingType::map: return "{ properties.a: b }";
    case scripting::SettingType::any: break;
  }
  return "text";
}

// An entry of a pipeline's `apps:`: with the settings of the app's first case that has some, which are known to work.
std::string example_entry(const Manifest& manifest, const std::string& use, const std::vector<scripting::AppCase>& cases) {
  std::string text = fmt::format("apps:\n  - use: {}\n", use);
  const auto with = std::ranges::find_if(
      cases, [](const auto& one) { return one.with.kind == config::Node::Kind::map && !one.with.entries.empty(); });
  if (with != cases.end()) {
    text += "    with: ";
    scripting::append_yaml(one_line(with->with), text);
    return text + "\n";
  }
  std::vector<std::string> required;
  for (const SettingInfo& setting : manifest.settings)
    if (setting.required) required.push_back(fmt::format("{}: {}", setting.name, sample(setting)));
  if (!required.empty()) text += fmt::format("    with: {{ {} }}\n", fmt::join(required, ", "));
  return text;
}

std::string shown_limits(const scripting::LimitSettings& limits) {
  const scripting::Limits all = limits.over({});
  return fmt::format("memory {}, instructions {}, time {} ms", to_string(all.memory_max), all.instructions_max,
                     all.time_max.count());
}

void show_text(const Manifest& manifest, const std::string& folder, const std::string& use,
               const std::vector<scripting::AppCase>& cases) {
  const Paint paint = Paint::for_output();
  fmt::print("{} {}  ({}, {})\n{}\n\n", paint.strong(manifest.name), manifest.version, config::name_of(manifest.kind),
             shown_folder(folder), manifest.summary);
  fmt::print("{}\n", manifest.settings.empty() ? "It has no settings." : paint.strong("Settings"));
  for (const SettingInfo& setting : manifest.settings) {
    fmt::print("  {:<20} {:<8} {}\n", setting.name, config::name_of(setting.type), traits(setting));
    if (!setting.doc.empty()) fmt::print("  {:<20} {}\n", "", setting.doc);
  }
  fmt::print("\n{} for one event: {}\n", paint.strong("Limits"), shown_limits(manifest.limits));
  fmt::print("{}: {}\n", paint.strong("Permissions"), manifest.permissions.state ? "state" : "none");
  fmt::print("{}: {}\n\n{}\n{}", paint.strong("Cases"), cases.size(), paint.strong("In a pipeline"),
             indented(example_entry(manifest, use, cases), "  "));
  if (const std::string head = readme_head(folder); !head.empty())
    fmt::print("\n{}\n{}", paint.strong("README"), indented(head, "  "));
}

void show_json(const Manifest& manifest, const std::string& folder, const std::string& use,
               const std::vector<scripting::AppCase>& cases) {
  const scripting::Limits limits = manifest.limits.over({});
  config::JsonWriter json;
  json.begin_object();
  write_head(manifest, folder, json);
  json.key("settings");
  json.begin_list();
  for (const SettingInfo& setting : manifest.settings) write_setting(setting, json);
  json.end_list();
  json.key("limits");
  json.begin_object();
  json.raw_member("memory_bytes", std::to_string(limits.memory_max.count));
  json.raw_member("instructions", std::to_string(limits.instructions_max));
  json.raw_member("time_ms", std::to_string(limits.time_max.count()));
  json.end_object();
  json.key("permissions");
  json.begin_object();
  json.raw_member("state", manifest.permissions.state ? "true" : "false");
  json.end_object();
  json.raw_member("cases", std::to_string(cases.size()));
  json.member("example", example_entry(manifest, use, cases));
  json.end_object();
  fmt::print("{}", std::move(json).take());
}

}  // namespace

int list_apps(bool as_json, const topology::PlanContext& context) {
  config::JsonWriter json;
  json.begin_list();
  int code = kOk;
  for (const std::string& folder : all_app_folders(context)) {
    config::Problems problems;
    const auto manifest = Manifest::load(folder, problems);
    if (!manifest) {
      code = refuse({ErrorKind::invalid, scripting::joined(problems)}, kNotWell);
      continue;
    }
    if (!as_json) {
      fmt::print("{:<22} {:<8} {}\n{:<22} {:<8} {}\n", manifest->name, manifest->version, manifest->summary, "", "",
                 Paint::for_output().faint(shown_folder(folder)));
      continue;
    }
    json.begin_object();
    write_head(*manifest, folder, json);
    json.end_object();
  }
  json.end_list();
  if (as_json) fmt::print("{}", std::move(json).take());
  return code;
}

int show_app(const std::string& name, bool as_json, const topology::PlanContext& context) {
  const auto folder = app_folder(name, context);
  if (!folder) return refuse(folder.error(), kUsage);
  config::Problems problems;
  const auto manifest = Manifest::load(*folder, problems);
  if (!manifest) return refuse({ErrorKind::invalid, scripting::joined(problems)}, kNotWell);
  const auto file = scripting::read_case_file(*folder);
  const bool no_cases = !scripting::has_app_file(*folder + "/cases.yaml");
  if (!file && !no_cases) return refuse(file.error());
  const auto cases = file ? file->cases : std::vector<scripting::AppCase>{};
  const std::string use = name.contains('/') ? "./" + *folder : name;
  if (as_json) show_json(*manifest, *folder, use, cases);
  else show_text(*manifest, *folder, use, cases);
  return kOk;
}

}  // namespace penstock::cli
