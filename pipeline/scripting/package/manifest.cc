#include "pipeline/scripting/package/manifest.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/yaml_parser.h"
#include "pipeline/scripting/package/app_files.h"

namespace penstock::scripting {
namespace {

using config::Node;

template <class Number>
bool reads_as(const std::string& text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return false;
  if constexpr (std::is_floating_point_v<Number>) return std::isfinite(number);
  return true;
}

bool fits(const Node& node, SettingType type) {
  const bool scalar = node.kind == Node::Kind::scalar;
  switch (type) {
    case SettingType::string: return scalar;
    case SettingType::integer: return scalar && !node.quoted && reads_as<std::int64_t>(node.text);
    case SettingType::number: return scalar && !node.quoted && reads_as<double>(node.text);
    case SettingType::boolean: return scalar && !node.quoted && (node.text == "true" || node.text == "false");
    case SettingType::list: return node.kind == Node::Kind::list;
    case SettingType::map: return node.kind == Node::Kind::map;
    case SettingType::any: return true;
  }
  return false;
}

std::string_view expected(SettingType type) {
  switch (type) {
    case SettingType::string: return "a text";
    case SettingType::integer: return "an integer";
    case SettingType::number: return "a number";
    case SettingType::boolean: return "true or false";
    case SettingType::list: return "a list";
    case SettingType::map: return "a map";
    case SettingType::any: break;
  }
  return "a value";
}

// Nothing, or what is wrong.
std::string mismatch(const Node& node, const SettingInfo& setting) {
  Node shown = node;
  shown.secret = node.secret || setting.secret;
  if (!fits(node, setting.type)) return fmt::format("expected {}, got {}", expected(setting.type), config::describe(shown));
  const auto& choices = setting.choices;
  if (!choices.empty() && (node.kind != Node::Kind::scalar || std::ranges::find(choices, node.text) == choices.end()))
    return fmt::format("expected one of {}, got {}", fmt::join(choices, ", "), config::describe(shown));
  return {};
}

bool read_settings(Manifest& manifest, config::Problems& problems) {
  const Node& declared = manifest.declared_settings;
  if (declared.kind == Node::Kind::null) return true;
  if (declared.kind != Node::Kind::map) {
    problems.push_back({declared.at, "settings", "expected a map from names to what each setting is"});
    return false;
  }
  const std::size_t before = problems.size();
  for (const Node::Entry& entry : declared.entries) {
    SettingInfo setting;
    const std::string path = fmt::format("settings.{}", entry.key);
    config::StructReader reader(entry.value, path, problems);
    const bool read = reader.read(setting);
    if (!reader.finish() || !read) continue;
    setting.name = entry.key;
    if (setting.initial.kind != Node::Kind::null) {
      if (setting.required) reader.problem("default", "a required setting has no default");
      else if (const std::string wrong = mismatch(setting.initial, setting); !wrong.empty())
        reader.problem("default", wrong);
    }
    manifest.settings.push_back(std::move(setting));
  }
  return problems.size() == before;
}

}  // namespace

Limits LimitSettings::over(Limits limits) const {
  if (memory) limits.memory_max = *memory;
  if (instructions) limits.instructions_max = *instructions;
  if (time) limits.time_max = *time;
  return limits;
}

const SettingInfo* Manifest::find(std::string_view setting) const {
  const auto it = std::ranges::find(settings, setting, &SettingInfo::name);
  return it == settings.end() ? nullptr : &*it;
}

std::optional<Manifest> Manifest::load(const std::string& folder, config::Problems& problems) {
  const std::string path = (std::filesystem::path(folder) / "app.yaml").lexically_normal().string();
  const auto file = std::make_shared<const std::string>(path);
  const auto text = read_app_file(path);
  if (!text) {
    problems.push_back({{file, 0, 0}, "", text.error().message});
    return std::nullopt;
  }
  Node root;
  const std::size_t before = problems.size();
  if (!config::parse_yaml(*text, file, root, problems) || problems.size() > before) return std::nullopt;
  Manifest manifest;
  config::StructReader reader(root, "", problems);
  const bool read = reader.read(manifest);
  if (!reader.finish() || !read || !read_settings(manifest, problems)) return std::nullopt;
  return manifest;
}

bool check_settings(const Manifest& manifest, const Node& with, const std::string& path, config::Problems& problems) {
  const std::size_t before = problems.size();
  const auto note = [&](const config::Location& at, const std::string& name, std::string message) {
    problems.push_back({at, name.empty() ? path + ".with" : fmt::format("{}.with.{}", path, name), std::move(message)});
  };
  if (with.kind != Node::Kind::map && with.kind != Node::Kind::null) {
    note(with.at, "", fmt::format("expected a map of settings, got {}", config::describe(with)));
    return false;
  }
  std::vector<std::string_view> names;
  for (const SettingInfo& setting : manifest.settings) names.push_back(setting.name);
  for (const Node::Entry& entry : with.entries) {
    const SettingInfo* setting = manifest.find(entry.key);
    if (setting == nullptr)
      note(entry.key_at, "", config::unknown_name(fmt::format("setting of app {}", manifest.name), entry.key, names));
    else if (entry.value.kind == Node::Kind::null && !setting->required) continue;
    else if (const std::string wrong = entry.value.broken ? "" : mismatch(entry.value, *setting); !wrong.empty())
      note(entry.value.at, entry.key, wrong);
  }
  for (const SettingInfo& setting : manifest.settings)
    if (setting.required && with.find(setting.name) == nullptr)
      note(with.at, "", fmt::format("missing required setting '{}': {}", setting.name, setting.doc));
  return problems.size() == before;
}

}  // namespace penstock::scripting
