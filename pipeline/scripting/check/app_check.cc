#include "pipeline/scripting/check/app_check.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "pipeline/config/document.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/check/lua_file_check.h"
#include "pipeline/scripting/check/lua_lexer.h"
#include "pipeline/scripting/package/app_files.h"
#include "pipeline/scripting/package/app_source.h"
#include "pipeline/scripting/package/manifest.h"
#include "pipeline/scripting/transform/chain_plan.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

namespace fs = std::filesystem;

config::Location whole(const std::string& path) { return {std::make_shared<const std::string>(path), 0, 0}; }

// "app.lua:12: unexpected symbol" as a finding in line 12.
Finding compile_finding(const std::string& path, const std::string& name, std::string_view message) {
  Finding finding{whole(path), false, std::string(message)};
  if (!message.starts_with(name + ":")) return finding;
  const std::string_view rest = message.substr(name.size() + 1);
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), finding.at.line);
  finding.at.column = 1;
  finding.message = rest.substr(std::min(static_cast<std::size_t>(read.ptr - rest.data()) + 2, rest.size()));
  return finding;
}

// Whether some name or text in the sources is this word.
bool is_mentioned(const AppSource& source, std::string_view word) {
  for (const AppSource::File& file : source.files) {
    const auto tokens = lua_tokens(file.text);
    if (!tokens) return true;
    for (const LuaToken& token : *tokens) {
      if (token.kind == LuaToken::Kind::name && token.raw == word) return true;
      if (token.kind == LuaToken::Kind::text && lua_text(token.raw) == word) return true;
    }
  }
  return false;
}

class AppCheck {
 public:
  explicit AppCheck(const std::string& folder) : folder_(folder) {}

  std::vector<Finding> run() {
    config::Problems problems;
    manifest_ = Manifest::load(folder_, problems);
    add(problems);
    check_sources();
    check_cases();
    check_name();
    // What else there is to say may follow from what was said already.
    if (std::ranges::all_of(findings_, &Finding::hint)) load();
    return std::move(findings_);
  }

 private:
  std::string path(const std::string& name) const { return (fs::path(folder_) / name).lexically_normal().string(); }

  void add(config::Problems problems) {
    config::sort_problems(problems);
    for (const config::Problem& problem : problems)
      findings_.push_back(
          {problem.at, false, problem.path.empty() ? problem.message : problem.path + ": " + problem.message});
  }

  void check_sources() {
    const auto source = AppSource::load(folder_);
    if (!source) return findings_.push_back({whole(path("app.lua")), false, source.error().message});
    const auto known = known_names();
    if (!known) return findings_.push_back({whole(path("app.lua")), false, known.error().message});
    std::vector<std::pair<const AppSource::File*, LuaNames>> read;
    std::set<std::string> own_globals;
    for (const AppSource::File& file : source->files) {
      auto names = read_file(file);
      if (!names) continue;
      own_globals.merge(globals_defined(*names));
      read.emplace_back(&file, *std::move(names));
    }
    std::vector<std::string> declared;
    if (manifest_) std::ranges::transform(manifest_->settings, std::back_inserter(declared), &SettingInfo::name);
    bool followed = manifest_ && read.size() == source->files.size();
    for (const auto& [file, names] : read) {
      auto checked = check_lua_file(names, path(file->name), file->module == "app", manifest_ ? &declared : nullptr,
                                    own_globals, *known);
      followed = followed && !checked.settings_elsewhere;
      findings_.insert(findings_.end(), checked.findings.begin(), checked.findings.end());
      if (manifest_ && !manifest_->permissions.state && !checked.state_used.empty())
        findings_.push_back({checked.state_used.front(), false,
                             "app.state needs a permission: add `permissions: { state: true }` to app.yaml"});
    }
    if (followed) hint_unused(*source);
  }

  std::optional<LuaNames> read_file(const AppSource::File& file) {
    const auto vm = Vm::create({});
    if (!vm) {
      findings_.push_back({whole(path(file.name)), false, vm.error().message});
      return std::nullopt;
    }
    if (const auto compiled = (*vm)->compile(file.text, file.name); !compiled) {
      findings_.push_back(compile_finding(path(file.name), file.name, compiled.error().message));
      return std::nullopt;
    }
    auto names = lua_names(file.text);
    if (names) return *std::move(names);
    findings_.push_back(compile_finding(path(file.name), file.name, file.name + ":" + names.error().message));
    return std::nullopt;
  }

  void hint_unused(const AppSource& source) {
    for (const config::Node::Entry& declared : manifest_->declared_settings.entries)
      if (!is_mentioned(source, declared.key))
        findings_.push_back(
            {declared.key_at, true, fmt::format("the setting '{}' is declared and never used", declared.key)});
  }

  void check_cases() {
    config::Problems problems;
    const std::string file = path("cases.yaml");
    const auto text = read_app_file(file);
    if (!text) return findings_.push_back({whole(file), true, "there are no cases: " + text.error().message});
    const auto cases = parse_cases(*text, file, problems);
    if (!cases.empty()) settings_ = cases.front().with;
    if (manifest_)
      for (std::size_t i = 0; i < cases.size(); ++i) {
        config::Node with = cases[i].with;
        if (with.kind == config::Node::Kind::null) with.at = cases[i].at;
        check_settings(*manifest_, with, fmt::format("cases[{}] ({})", i, cases[i].name), problems);
      }
    add(std::move(problems));
  }

  void check_name() {
    std::error_code unknown;
    const std::string folder = fs::weakly_canonical(folder_, unknown).filename().string();
    if (!unknown && manifest_ && manifest_->name != folder)
      findings_.push_back({whole(path("app.yaml")), true,
                           fmt::format("the app is called '{}' but its folder '{}': pipelines find it by its folder",
                                       manifest_->name, folder)});
  }

  // Runs its top level, as a pipeline would, with the settings of its first case.
  void load() {
    AppEntry entry;
    entry.use = entry.name = entry.path = manifest_->name;
    entry.folder = folder_;
    entry.settings = settings_;
    config::Problems problems;
    if (plan_chain({entry}, problems) != nullptr) return;
    for (const config::Problem& problem : problems) {
      std::string_view message = problem.message;
      if (const auto at = message.find("app.lua:"); at != std::string_view::npos) message.remove_prefix(at);
      findings_.push_back(compile_finding(path("app.lua"), "app.lua", message));
    }
  }

  const std::string& folder_;
  std::optional<Manifest> manifest_;
  config::Node settings_;
  std::vector<Finding> findings_;
};

}  // namespace

std::string Finding::to_string() const { return fmt::format("{}: {}{}", at.to_string(), hint ? "hint: " : "", message); }

std::vector<Finding> check_app(const std::string& folder) { return AppCheck(folder).run(); }

}  // namespace penstock::scripting
