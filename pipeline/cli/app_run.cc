// penstock app run: what an app does to events of a file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "pipeline/base/printable.h"
#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/app_folders.h"
#include "pipeline/cli/app_report.h"
#include "pipeline/cli/app_settings.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/config/json_writer.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/ports/memory_state.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/transform/chain.h"

namespace penstock::cli {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

// One line of input and what became of it.
struct Ran {
  std::size_t line = 0;
  std::string wrong;  // not empty: it is no event
  std::string in;
  Transformed out;
  std::string traceback;
  std::vector<std::pair<LogLevel, std::string>> logged;
  Nanoseconds took{0};

  bool unchanged() const {
    return wrong.empty() && out.kind == Transformed::Kind::kept && out.events.size() == 1 && out.events.front().body == in;
  }
};

struct Counts {
  std::uint64_t events = 0, changed = 0, unchanged = 0, dropped = 0, split = 0, parts = 0, failed = 0, invalid = 0;
  std::vector<Nanoseconds> times;

  void add(const Ran& ran) {
    if (!ran.wrong.empty()) {
      ++invalid;
      return;
    }
    ++events;
    times.push_back(ran.took);
    if (ran.out.kind == Transformed::Kind::failed) ++failed;
    else if (ran.out.kind == Transformed::Kind::dropped) ++dropped;
    else if (ran.out.events.size() > 1) ++split, parts += ran.out.events.size();
    else if (ran.unchanged()) ++unchanged;
    else ++changed;
  }

  // In microseconds; `share` of 1.
  double quantile(double share) {
    if (times.empty()) return 0;
    const auto at = static_cast<std::size_t>(share * static_cast<double>(times.size() - 1));
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(at), times.end());
    return static_cast<double>(times[at].count()) / 1000;
  }

  std::string text() {
    std::string all =
        fmt::format("{}: {} changed, {} unchanged, {} dropped", counted(events, "event"), changed, unchanged, dropped);
    if (split > 0) all += fmt::format(", {} split into {}", split, parts);
    if (failed > 0) all += fmt::format(", {} failed", failed);
    if (invalid > 0) all += fmt::format("; {} {} no event", invalid, invalid == 1 ? "line was" : "lines were");
    if (events == 0) return all + "\n";
    return all +
           fmt::format("\n{:.1f} µs an event (median), {:.1f} µs (p99), in the app alone\n", quantile(0.5), quantile(0.99));
  }
};

class Runner {
 public:
  static Result<std::unique_ptr<Runner>> create(const std::string& folder, const config::Node& settings,
                                                const FactPaths& paths) {
    config::Problems problems;
    scripting::AppEntry entry;
    entry.folder = folder;
    entry.settings = settings;
    entry.path = app_name(folder);
    entry.at = settings.at;
    const auto plan = scripting::plan_chain({entry}, problems);
    if (plan == nullptr) return fail(ErrorKind::invalid, scripting::joined(problems));
    std::unique_ptr<Runner> runner(new Runner(paths));
    const auto log = [to = runner.get()](LogLevel level, std::string_view, std::string_view line) {
      to->ran_.logged.emplace_back(level, line);
    };
    TRY_ASSIGN(runner->chain_, scripting::Chain::make(plan, log));
    return runner;
  }

  // Valid until the next call.
  Ran& run(std::size_t line, const std::string& text) {
    ran_.line = line;
    ran_.wrong.clear();
    ran_.traceback.clear();
    ran_.logged.clear();
    const auto valid = validator_.validate(text, index_);
    if (!valid) {
      ran_.wrong = valid.error().message;
      return ran_;
    }
    ran_.in = index_.text();
    const Timestamp now = system_clock().now();
    const auto read = reader_.read(index_, {.source = "run", .partition = "0", .offset = line}, now);
    if (!read) {
      ran_.wrong = fmt::format(
          "{}; a pipeline would refuse it too, unless the `map:` of its source says where the facts are: "
          "then give it here, as in --map event=type",
          read.error().message);
      return ran_;
    }
    chain_->begin_batch(now, &state_);
    const auto start = std::chrono::steady_clock::now();
    chain_->run(index_, *read, canonical_, ran_.out);
    ran_.took = std::chrono::steady_clock::now() - start;
    if (ran_.out.kind == Transformed::Kind::failed) ran_.traceback = ran_.out.traceback;
    else state_.apply(ran_.out.state);
    return ran_;
  }

 private:
  explicit Runner(const FactPaths& paths) : reader_(paths, "run"), canonical_(paths.canonical()) {}

  std::unique_ptr<scripting::Chain> chain_;
  MemoryState state_;
  json::Validator validator_;
  json::ObjectIndex index_;
  FactReader reader_;
  bool canonical_;
  Ran ran_;
};

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return {};
}

// What became of it, in a word.
std::string outcome_of(const Ran& ran) {
  if (!ran.wrong.empty()) return "invalid";
  switch (ran.out.kind) {
    case Transformed::Kind::failed: return "failed";
    case Transformed::Kind::dropped: return "dropped";
    case Transformed::Kind::kept: break;
  }
  if (ran.out.events.size() > 1) return fmt::format("split into {}", ran.out.events.size());
  return ran.unchanged() ? "unchanged" : "changed";
}

void print_text(const Ran& ran, const Paint& paint) {
  const std::string outcome = outcome_of(ran);
  const bool bad = outcome == "invalid" || outcome == "failed";
  fmt::print("{} {}\n", paint.strong(fmt::format("line {}", ran.line)), bad ? paint.removed(outcome) : outcome);
  if (!ran.wrong.empty()) {
    fmt::print("  no event: {}\n", printable(ran.wrong));
  } else if (ran.out.kind == Transformed::Kind::failed) {
    fmt::print("  {}: {}\n{}", ran.out.code, printable(ran.out.reason), indented(printable_lines(ran.traceback), "    "));
  } else if (ran.out.kind == Transformed::Kind::kept) {
    const bool several = ran.out.events.size() > 1;
    for (std::size_t i = 0; i < ran.out.events.size(); ++i) {
      if (several) fmt::print("  event {}\n", i + 1);
      fmt::print("{}",
                 shown_differences(scripting::differences(ran.in, ran.out.events[i].body), several ? "    " : "  ", paint));
    }
  }
  for (const auto& [level, line] : ran.logged)
    fmt::print("  {}\n", paint.faint(fmt::format("log {}: {}", level_name(level), printable(line))));
}

std::string json_text(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

// One object in one line.
void print_json(const Ran& ran) {
  std::string text = fmt::format(R"({{"line":{},"outcome":{})", ran.line, json_text(outcome_of(ran)));
  const auto add = [&text](std::string_view key, std::string_view json) {
    fmt::format_to(std::back_inserter(text), R"(,"{}":{})", key, json);
  };
  if (!ran.wrong.empty()) add("error", json_text(ran.wrong));
  else if (ran.out.kind == Transformed::Kind::failed) {
    add("code", json_text(ran.out.code));
    add("error", json_text(ran.out.reason));
    add("traceback", json_text(ran.traceback));
  } else if (ran.out.kind == Transformed::Kind::kept) {
    std::vector<std::string> bodies;
    std::vector<std::string> changes;
    for (const EventView& event : ran.out.events) {
      json::append_compact(bodies.emplace_back(), event.body);
      if (ran.out.events.size() > 1) continue;
      for (const auto& field : scripting::differences(ran.in, event.body)) {
        std::string change = fmt::format(R"({{"path":{})", json_text(field.path));
        if (!field.before.empty()) change += fmt::format(R"(,"before":{})", field.before);
        if (!field.after.empty()) change += fmt::format(R"(,"after":{})", field.after);
        changes.push_back(change + "}");
      }
    }
    add("events", fmt::format("[{}]", fmt::join(bodies, ",")));
    add("changes", fmt::format("[{}]", fmt::join(changes, ",")));
  }
  std::vector<std::string> logged;
  for (const auto& [level, line] : ran.logged) logged.push_back(json_text(fmt::format("{}: {}", level_name(level), line)));
  if (!logged.empty()) add("log", fmt::format("[{}]", fmt::join(logged, ",")));
  if (ran.wrong.empty()) add("microseconds", fmt::format("{:.3f}", static_cast<double>(ran.took.count()) / 1000));
  fmt::print("{}}}\n", text);
}

// Where a map says the facts are.
Result<FactPaths> paths_from(const std::vector<std::string>& given) {
  FactPaths paths;
  const std::array<std::pair<std::string_view, std::string*>, 4> facts{{{"event", &paths.event},
                                                                        {"distinct_id", &paths.distinct_id},
                                                                        {"timestamp", &paths.timestamp},
                                                                        {"uuid", &paths.uuid}}};
  for (const std::string& one : given) {
    const std::string fact = one.substr(0, one.find('='));
    const auto* known = std::ranges::find(facts, fact, &std::pair<std::string_view, std::string*>::first);
    if (known == facts.end() || fact.size() + 1 >= one.size())
      return fail(ErrorKind::invalid,
                  fmt::format("--map {}: expected event, distinct_id, timestamp or uuid, then = and a path", one));
    *known->second = one.substr(fact.size() + 1);
  }
  return paths;
}

// What reads compressed files, by how they begin. No line of JSON begins so.
std::string_view reader_of_compressed(std::string_view line) {
  if (line.starts_with("\x1f\x8b")) return "zcat";
  if (line.starts_with("\x28\xb5\x2f\xfd")) return "zstdcat";
  return {};
}

int run_lines(std::istream& in, Runner& runner, const AppRunOptions& options) {
  const Paint paint = Paint::for_output();
  Counts counts;
  std::string text;
  for (std::size_t line = 1; (options.limit == 0 || counts.events < options.limit) && std::getline(in, text); ++line) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (const auto reader = reader_of_compressed(text); line == 1 && !reader.empty())
      return refuse(
          {ErrorKind::invalid, fmt::format("{} is compressed: {} FILE | penstock app run {} --in -",
                                           options.in == "-" ? "what comes in" : options.in, reader, options.name)},
          kUsage);
    const Ran& ran = runner.run(line, text);
    counts.add(ran);
    if (options.json) print_json(ran);
    else print_text(ran, paint);
  }
  if (in.bad()) return refuse({ErrorKind::io, fmt::format("read {}: the system refuses", options.in)}, kCannot);
  fmt::print(options.json ? stderr : stdout, "{}{}", options.json ? "" : "\n", counts.text());
  return counts.failed + counts.invalid == 0 ? kOk : kNotWell;
}

}  // namespace

int run_app(const AppRunOptions& options, const topology::PlanContext& context) {
  const auto folder = app_folder(options.name, context);
  if (!folder) return refuse(folder.error(), kUsage);
  const auto settings = settings_from(options.settings, *folder);
  if (!settings) return refuse(settings.error(), kUsage);
  const auto paths = paths_from(options.map);
  if (!paths) return refuse(paths.error(), kUsage);
  const auto runner = Runner::create(*folder, *settings, *paths);
  if (!runner) return refuse(runner.error(), kNotWell);
  if (options.in == "-") return run_lines(std::cin, **runner, options);
  std::error_code error;
  if (std::filesystem::is_directory(options.in, error))
    return refuse({ErrorKind::io, fmt::format("{} is a folder: name a file with one event a line", options.in)}, kCannot);
  std::ifstream file(options.in);
  if (!file)
    return refuse({ErrorKind::io, fmt::format("open {}: there is no such file, or it may not be read", options.in)},
                  kCannot);
  return run_lines(file, **runner, options);
}

}  // namespace penstock::cli
