#include "pipeline/scripting/transform/chain_plan.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "pipeline/base/checksum.h"
#include "pipeline/config/fingerprint.h"
#include "pipeline/scripting/package/app_files.h"
#include "pipeline/scripting/transform/script.h"

namespace penstock::scripting {
namespace {

namespace fs = std::filesystem;

bool is_app(const fs::path& folder) { return has_app_file((folder / "app.yaml").string()); }

std::vector<std::string> app_names(const std::vector<std::string>& places) {
  std::set<std::string> names;
  for (const std::string& place : places)
    for (const std::string& folder : apps_in(place)) names.insert(fs::path(folder).filename().string());
  return {names.begin(), names.end()};
}

// What is declared of the settings counts too: their defaults and types decide what the script gets.
std::uint64_t checksum_of(const AppPlan& plan, const AppEntry& entry) {
  return checksum(
      fmt::format("{}\n{}\n{} {}\n{}\n{}\n{}\n{} {} {}\n{} {} {} {} {}", plan.name, plan.source.checksum,
                  config::fingerprint_in_order(plan.settings), config::fingerprint_in_order(plan.manifest.declared_settings),
                  fmt::join(entry.events, "\x1f"), plan.when, static_cast<int>(plan.on_error), plan.limits.memory_max.count,
                  plan.limits.instructions_max, plan.limits.time_max.count(), plan.suspend.share, plan.suspend.events,
                  static_cast<int>(plan.suspend.then), plan.suspend.retry.count(), plan.manifest.permissions.state));
}

// Everything but the trial run.
std::optional<AppPlan> plan_app(const AppEntry& entry, config::Problems& problems) {
  const auto note = [&](std::string message) {
    problems.push_back({entry.at, entry.path, std::move(message)});
    return std::nullopt;
  };
  auto manifest = Manifest::load(entry.folder, problems);
  if (!manifest) return std::nullopt;
  if (manifest->kind != AppKind::transform)
    return note(fmt::format("app {} is of kind {}, not transform", manifest->name, config::name_of(manifest->kind)));
  if (!check_settings(*manifest, entry.settings, entry.path, problems)) return std::nullopt;
  auto source = AppSource::load(entry.folder);
  if (!source) return note(source.error().message);
  AppPlan plan;
  plan.name = entry.name.empty() ? manifest->name : entry.name;
  plan.source = *std::move(source);
  plan.limits = entry.limits.over(manifest->limits.over(Limits{}));
  plan.manifest = *std::move(manifest);
  plan.settings = entry.settings;
  plan.filter = EventFilter(entry.events);
  plan.when = entry.when;
  plan.on_error = entry.on_error;
  plan.suspend = entry.suspend;
  plan.folder = entry.folder;
  plan.checksum = checksum_of(plan, entry);
  return plan;
}

}  // namespace

Result<std::string> find_app(const std::string& use, const AppFolders& folders) {
  if (use.contains('/')) {
    const fs::path folder = (fs::path(folders.base) / use).lexically_normal();
    if (is_app(folder)) return folder.string();
    return fail(ErrorKind::not_found, fmt::format("there is no app in {}: app.yaml is missing", folder.string()));
  }
  for (const std::string& plugins : folders.plugins)
    if (const fs::path folder = fs::path(plugins) / use; !use.empty() && is_app(folder)) return folder.string();
  const auto known = app_names(folders.plugins);
  if (known.empty())
    return fail(ErrorKind::not_found,
                fmt::format("unknown app '{}': there are no apps in {}", use, fmt::join(folders.plugins, " and ")));
  std::string message = config::unknown_name("app", use, {known.begin(), known.end()});
  if (!message.contains(", ") && !message.contains("; ")) message += "; see `penstock app list`";
  return fail(ErrorKind::not_found, std::move(message));
}

std::vector<AppEntry> read_app_entries(const config::Node& list, const std::string& path, const AppFolders& folders,
                                       config::Problems& problems) {
  std::vector<AppEntry> entries;
  if (list.kind != config::Node::Kind::list) {
    if (list.kind != config::Node::Kind::null && !list.broken)
      problems.push_back({list.at, path, "expected a list of apps"});
    return entries;
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const config::Node& node = list.items[i];
    AppEntry entry;
    entry.path = config::element_path(path, i, node);
    entry.at = node.at;
    config::StructReader reader(node, entry.path, problems);
    const bool read = reader.read(entry);
    if (!reader.finish() || !read) continue;
    auto folder = find_app(entry.use, folders);
    if (!folder) {
      reader.problem("use", folder.error().message);
      continue;
    }
    entry.folder = *std::move(folder);
    if (entry.settings.kind == config::Node::Kind::null) entry.settings.at = node.at;
    if (const auto manifest = Manifest::load(entry.folder, problems))
      check_settings(*manifest, entry.settings, entry.path, problems);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::shared_ptr<const ChainPlan> plan_chain(const std::vector<AppEntry>& entries, config::Problems& problems) {
  const std::size_t before = problems.size();
  auto chain = std::make_shared<ChainPlan>();
  std::string versions;
  std::set<std::string> names;
  for (const AppEntry& entry : entries) {
    auto plan = plan_app(entry, problems);
    if (!plan) continue;
    if (!names.insert(plan->name).second)
      problems.push_back(
          {entry.at, entry.path,
           fmt::format("two apps are called '{}': give one of them another `name:`, for metrics, dead letters "
                       "and app.state are kept by it",
                       plan->name)});
    if (auto script = Script::load(*plan, program_log(), system_clock()); !script)
      problems.push_back({entry.at, entry.path, script.error().message});
    fmt::format_to(std::back_inserter(versions), "{}\n", plan->checksum);
    chain->apps.push_back(*std::move(plan));
  }
  if (problems.size() > before) return nullptr;
  chain->version = checksum(versions);
  return chain;
}

}  // namespace penstock::scripting
