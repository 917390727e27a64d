#include "pipeline/config/substitution.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/text_rules.h"

namespace penstock::config {
namespace {

constexpr Bytes kFileMax = 64_KiB;
constexpr std::size_t kSubstitutedMax = std::size_t{16} << 20;

bool is_env_name(std::string_view name) {
  const auto allowed = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !name.empty() && std::ranges::all_of(name, allowed) && std::isdigit(static_cast<unsigned char>(name[0])) == 0;
}

void trim_line_end(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

std::string path_from(const std::string& folder, std::string_view path) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::nullopt_t Substitution::refuse(const Node& node, std::string message) {
  problems_.push_back({node.at, "", std::move(message)});
  return std::nullopt;
}

void Substitution::apply(Node& node, const std::string& folder) {
  if (node.kind == Node::Kind::scalar && !node.broken) scalar(node, folder);
  for (Node& item : node.items) apply(item, folder);
  for (Node::Entry& entry : node.entries) apply(entry.value, folder);
}

void Substitution::scalar(Node& node, const std::string& folder) {
  if (!node.text.contains("${")) return;
  std::string out;
  std::string_view rest = node.text;
  bool substituted = false;
  while (!rest.empty()) {
    const auto mark = rest.find("${");
    if (mark != std::string_view::npos && mark > 0 && rest[mark - 1] == '$') {  // $${ is a literal ${
      out.append(rest.substr(0, mark - 1)).append("${");
      rest.remove_prefix(mark + 2);
      continue;
    }
    out.append(rest.substr(0, mark));
    if (mark == std::string_view::npos) break;
    rest.remove_prefix(mark + 2);
    const auto end = rest.find('}');
    auto text = end == std::string_view::npos ? refuse(node, "'${' is never closed by '}'; a literal ${ is written $${")
                                              : replacement(node, rest.substr(0, end), folder);
    if (text) substituted_ += text->size();
    if (text && substituted_ > kSubstitutedMax)
      text = refuse(node, fmt::format("more than {} substituted in one configuration", to_string(Bytes{kSubstitutedMax})));
    if (!text) {
      node.broken = true;
      return;
    }
    substituted = true;
    out.append(*text);
    rest.remove_prefix(end + 1);
  }
  node.text = std::move(out);
  node.secret = node.secret || substituted;
}

std::optional<std::string> Substitution::replacement(const Node& node, std::string_view inside, const std::string& folder) {
  if (inside.starts_with("env:")) return from_env(node, inside.substr(4));
  if (inside.starts_with("file:")) return from_file(node, inside.substr(5), folder);
  return refuse(node, fmt::format("'${{{}}}' is neither ${{env:NAME}} nor ${{file:path}}; a literal ${{ is written $${{",
                                  printable(inside)));
}

std::optional<std::string> Substitution::from_env(const Node& node, std::string_view inside) {
  const auto split = inside.find(":-");
  const std::string name(inside.substr(0, split));
  if (!is_env_name(name)) return refuse(node, fmt::format("'{}' is no name of an environment variable", printable(name)));
  auto value = lookup_.env(name);
  // As in a shell, `:-` also replaces an empty value.
  if (split != std::string_view::npos && (!value || value->empty())) {
    const auto otherwise = inside.substr(split + 2);
    if (otherwise.contains("${"))
      return refuse(node, fmt::format("the default of ${{env:{}}} may not hold another ${{", name));
    return std::string(otherwise);
  }
  if (!value)
    return refuse(
        node, fmt::format("the environment variable {} is not set; a default is written ${{env:{}:-default}}", name, name));
  if (const auto bad = first_bad_byte(*value))
    return refuse(node, fmt::format("the environment variable {} holds {}", name, bad->reason));
  return value;
}

std::optional<std::string> Substitution::from_file(const Node& node, std::string_view path, const std::string& folder) {
  if (path.empty()) return refuse(node, "${file:} names no file");
  const std::string full = path_from(folder, path);
  auto text = lookup_.read_file(full, kFileMax);
  if (!text) return refuse(node, fmt::format("cannot read {}: {}", printable(full), text.error().message));
  if (const auto bad = first_bad_byte(*text))
    return refuse(node, fmt::format("the file {} holds {}", printable(full), bad->reason));
  if (std::ranges::find(files_, full) == files_.end()) files_.push_back(full);
  trim_line_end(*text);
  return std::move(*text);
}

}  // namespace penstock::config
