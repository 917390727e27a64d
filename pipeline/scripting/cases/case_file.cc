#include "pipeline/scripting/cases/case_file.h"

#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "pipeline/config/yaml_parser.h"
#include "pipeline/event/json.h"
#include "pipeline/event/timestamps.h"
#include "pipeline/scripting/cases/yaml_json.h"
#include "pipeline/scripting/package/app_files.h"

namespace penstock::scripting {
using config::Node;

void AppCase::check(config::StructReader& reader) const {
  if (!parse_timestamp(now)) reader.problem("now", fmt::format("expected a time such as 2026-01-01T00:00:00Z, got {}", now));
}

std::string joined(const config::Problems& problems) {
  std::string text;
  for (const config::Problem& problem : problems) text += (text.empty() ? "" : "\n") + problem.to_string();
  return text;
}

std::vector<AppCase> parse_cases(std::string_view text, const std::string& path, config::Problems& problems) {
  Node root;
  const bool parsed = config::parse_yaml(text, std::make_shared<const std::string>(path), root, problems);
  if (parsed && problems.empty() && root.kind != Node::Kind::list)
    problems.push_back({root.at, "", "expected a list of cases"});
  std::vector<AppCase> cases;
  if (!problems.empty()) return cases;
  for (std::size_t i = 0; i < root.items.size(); ++i) {
    const Node& item = root.items[i];
    config::StructReader reader(item, config::element_path("cases", i, item), problems);
    AppCase one;
    const bool read = reader.read(one);
    if (!reader.finish() || !read) continue;
    one.at = item.at;
    for (const Node::Entry& entry : item.entries)
      if (entry.key == "out") one.out_at = entry.key_at;
    cases.push_back(std::move(one));
  }
  return cases;
}

Result<std::vector<AppCase>> parse_cases(std::string_view text, const std::string& path) {
  config::Problems problems;
  auto cases = parse_cases(text, path, problems);
  if (!problems.empty()) return fail(ErrorKind::invalid, joined(problems));
  return cases;
}

Result<CaseFile> read_case_file(const std::string& folder) {
  CaseFile file;
  file.path = (std::filesystem::path(folder) / "cases.yaml").lexically_normal().string();
  auto text = read_app_file(file.path);
  if (!text) return fail(text.error().context(file.path));
  file.text = *std::move(text);
  TRY_ASSIGN(file.cases, parse_cases(file.text, file.path));
  return file;
}

Result<std::vector<std::string>> case_events(const Node& node) {
  std::vector<std::string> events;
  if (node.kind == Node::Kind::list) {
    for (const Node& item : node.items) {
      TRY_ASSIGN(auto inner, case_events(item));
      events.insert(events.end(), inner.begin(), inner.end());
    }
    return events;
  }
  std::string text = node.kind == Node::Kind::scalar ? node.text : "";
  if (node.kind != Node::Kind::scalar) append_json(node, text);
  json::Validator validator;
  TRY_ASSIGN(const auto value, validator.validate_value(text));
  if (json::kind_of(value) != json::Kind::array) return std::vector<std::string>{std::string(value)};
  std::vector<std::string_view> elements;
  TRY(json::index_array(value, elements));
  return std::vector<std::string>(elements.begin(), elements.end());
}

}  // namespace penstock::scripting
