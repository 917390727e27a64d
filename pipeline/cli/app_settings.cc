#include "pipeline/cli/app_settings.h"

#include <fmt/format.h>

#include "pipeline/config/yaml_parser.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/package/manifest.h"

namespace penstock::cli {

Result<config::Node> settings_from(const std::vector<std::string>& given, const std::string& folder) {
  config::Node all;
  for (const std::string& setting : given) {
    const auto file = std::make_shared<const std::string>("--settings " + setting);
    const auto equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(ErrorKind::invalid, fmt::format("{}: expected key=value", *file));
    const std::string key = setting.substr(0, equals);
    if (all.find(key) != nullptr) return fail(ErrorKind::invalid, fmt::format("{}: '{}' is given twice", *file, key));
    config::Problems problems;
    config::Node value;
    const std::string text = setting.substr(equals + 1);
    if (!text.empty() && (!config::parse_yaml(text, file, value, problems) || !problems.empty()))
      return fail(ErrorKind::invalid, scripting::joined(problems));
    if (text.empty()) value.kind = config::Node::Kind::scalar, value.quoted = true;
    const config::Location at{file, 0, 0};
    value.at = at;
    all.kind = config::Node::Kind::map;
    all.at = at;
    all.entries.push_back({key, at, std::move(value)});
  }
  if (all.at.file == nullptr) all.at.file = std::make_shared<const std::string>("--settings");
  config::Problems problems;
  // What is wrong with app.yaml itself is said when the app is loaded.
  if (const auto manifest = scripting::Manifest::load(folder, problems); manifest) {
    if (!scripting::check_settings(*manifest, all, manifest->name, problems))
      return fail(ErrorKind::invalid, scripting::joined(problems));
  }
  return all;
}

}  // namespace penstock::cli
