// penstock run: starts a pipeline, waits for signals or its end, stops it in order.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/base/folder_watch.h"
#include "pipeline/base/log.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/control/control_file.h"
#include "pipeline/control/control_server.h"
#include "pipeline/topology/pipeline.h"

namespace penstock::cli {
namespace {

// How often the end of a finite run is looked for.
constexpr timespec kLook{.tv_sec = 0, .tv_nsec = 20'000'000};

sigset_t awaited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

// From now on a signal ends the process at once. The log makes that safe.
void let_signals_exit() {
  struct sigaction action{};
  action.sa_handler = [](int signal) { _exit(128 + signal); };
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
  ::signal(SIGHUP, SIG_IGN);  // there is nothing left to reload
  const sigset_t set = awaited_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// How long a start that is asked to end may take to do so.
constexpr std::chrono::milliseconds kEndOfStart{700};

// Takes the signals that come while a pipeline starts, which may wait for brokers and read much.
class StartWatch {
 public:
  StartWatch() : thread_([this](const std::stop_token& over) { watch(over); }) {}

  // Of what waits.
  std::stop_token stop() const { return asked_.get_token(); }
  // The start is over. True: it was asked to end.
  bool end() {
    thread_.request_stop();
    thread_.join();
    return asked_.stop_requested();
  }

 private:
  void watch(const std::stop_token& over) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM}) sigaddset(&set, signal);
    while (!over.stop_requested()) {
      const int signal = sigtimedwait(&set, nullptr, &kLook);
      if (signal != SIGINT && signal != SIGTERM) continue;
      log_info("penstock", "{} while it was starting; what was accepted before is kept for the next start",
               signal == SIGINT ? "interrupted" : "asked to end");
      asked_.request_stop();
      std::mutex mutex;
      std::condition_variable_any ended;
      std::unique_lock lock(mutex);
      ended.wait_for(lock, over, kEndOfStart, [] { return false; });
      // Whatever it is at, the log makes this safe: nothing was accepted by this process.
      if (!over.stop_requested()) _exit(kOk);
    }
  }

  std::stop_source asked_;
  std::jthread thread_;
};

// How often a run that has nothing more to read says what it still waits for,
constexpr Duration kReminder{10'000};
// and how often it looks whether there is anything to say.
constexpr Duration kLookAtWaits{1000};

bool all_finite(const topology::PipelinePlan& plan) {
  return std::ranges::all_of(plan.sources, [](const auto& source) { return source.plan.finite; });
}

// What keeps a run of finite sources from its end.
struct Waiting {
  std::string what;  // empty while it simply reads
  bool in_vain = false;  // something stands still, and time alone may not mend it
};

bool goes_on(const topology::DestinationStatus& destination) {
  return destination.health == "healthy" || destination.health == "blocked" || destination.health == "limited" ||
         destination.health == "starting";
}

Waiting what_it_waits_for(const topology::Pipeline& pipeline) {
  const auto status = pipeline.status();
  std::vector<std::string> waits;
  bool in_vain = false;
  for (const auto& app : status.apps) {
    if (!app.suspended || !app.holds) continue;
    in_vain = true;
    waits.push_back(fmt::format("app {} is suspended (it {}), and the sources wait for it: mend it and `penstock reload`",
                                app.name, app.reason.substr(0, app.reason.find('\n'))));
  }
  if (waits.empty() && !pipeline.input_over()) return {};
  for (const auto& d : status.destinations) {
    if (d.lag_events == 0) continue;
    in_vain = in_vain || !goes_on(d);
    const std::string reason = d.reason.empty() ? "" : fmt::format(" ({})", d.reason);
    waits.push_back(
        fmt::format("destination {} is {}{}, waiting for it: {}", d.name, d.health, reason, counted(d.lag_events, "event")));
  }
  return {waits.empty() ? "the last writes are not answered yet" : fmt::format("{}", fmt::join(waits, "; ")), in_vain};
}

// Says what a run waits for: at once when it waits in vain, and not only for a moment; else when it has lasted a while.
class Reminder {
 public:
  void look(const topology::Pipeline& pipeline, SteadyTime now) {
    if (now < look_at_) return;
    look_at_ = now + kLookAtWaits;
    const Waiting waiting = what_it_waits_for(pipeline);
    const bool still_in_vain = std::exchange(in_vain_, waiting.in_vain) && in_vain_;
    if (waiting.what.empty()) {
      waits_since_.reset();
      return;
    }
    if (!waits_since_) waits_since_ = now;
    if (!still_in_vain && now - *waits_since_ < kReminder) return;
    if (said_at_ && now - *said_at_ < kReminder) return;
    said_at_ = now;
    log_warning("penstock", "this run cannot end yet: {}. Ctrl-C ends it; everything is kept for the next run",
                waiting.what);
  }

 private:
  SteadyTime look_at_{};
  std::optional<SteadyTime> waits_since_;
  std::optional<SteadyTime> said_at_;
  bool in_vain_ = false;  // at the last look
};

// Takes apps anew whose files changed. Looked at by the main thread, between two looks at everything else.
class AppFiles {
 public:
  AppFiles(topology::Pipeline& pipeline, bool wanted) : pipeline_(pipeline) {
    if (!wanted) return;
    if (auto watch = FolderWatch::create()) watch_ = *std::move(watch);
    else log_warning("apps", "{}; `penstock reload` still takes them", watch.error().message);
  }

  void look(SteadyTime now) {
    if (!watch_) return;
    if (auto watched = watch_->watch(pipeline_.app_folders()); !watched && !warned_) {
      warned_ = true;
      log_warning("apps", "{}; `penstock reload` still takes them", watched.error().message);
    }
    // The first time also what changed between the start and the watch.
    if (!watch_->changed(now) && !std::exchange(first_, false)) return;
    const auto report = pipeline_.reload_apps();
    if (!report) return log_error("apps", "changed on disk, but not taken: {}", report.error().message);
    for (const auto& change : report->changes) log_info("apps", "changed on disk: {}", change);
  }

 private:
  topology::Pipeline& pipeline_;
  std::optional<FolderWatch> watch_;
  bool warned_ = false;
  bool first_ = true;
};

enum class Ending { stopped, finished, failed };

Ending wait_for_end(topology::Pipeline& pipeline, control::ControlServer& control, bool keep_running) {
  const sigset_t set = awaited_signals();
  const Clock& clock = system_clock();
  AppFiles app_files(pipeline, pipeline.plan().settings.ingest.watch_apps);
  const bool finite = !keep_running && all_finite(pipeline.plan());
  Reminder reminder;
  for (;;) {
    const int signal = sigtimedwait(&set, nullptr, &kLook);
    if (signal == SIGHUP) {
      // What went wrong is in the log; the running configuration stays.
      [[maybe_unused]] const auto report = control.reload();
      continue;
    }
    if (signal == SIGINT || signal == SIGTERM) {
      log_info("penstock", "{}: stopping; a second signal exits at once, and loses nothing accepted",
               signal == SIGINT ? "interrupted" : "asked to end");
      return Ending::stopped;
    }
    if (pipeline.failure()) return Ending::failed;
    app_files.look(clock.steady());
    if (keep_running) continue;
    if (pipeline.finished()) return Ending::finished;
    if (finite) reminder.look(pipeline, clock.steady());
  }
}

void print_summary(const topology::PipelineStatus& status, const std::string& data) {
  fmt::print("ingest: {} kept, {} dropped, {} dead\n", status.ingest_kept, status.ingest_dropped, status.ingest_dead);
  auto dead = status.ingest_dead;
  for (const auto& d : status.destinations) {
    fmt::print("{}: {} delivered, {} filtered, {} dead{}\n", d.name, d.delivered, d.filtered, d.dead,
               d.lag_events == 0 ? "" : fmt::format(", {} still to go", d.lag_events));
    dead += d.dead;
  }
  if (dead > 0) fmt::print("why they are dead: penstock dead list --data {}\n", data);
}

int complain(const Error& error) {
  log_error("penstock", "{}", error.message);
  return kCannot;
}

struct Started {
  Result<std::unique_ptr<topology::Pipeline>> pipeline;
  bool asked_to_end = false;
};

Started start(topology::PipelinePlan plan, const Registry& registry) {
  StartWatch watch;
  auto pipeline = topology::Pipeline::start(std::move(plan), registry, watch.stop());
  if (!watch.end()) return {std::move(pipeline), false};
  if (pipeline) pipeline->reset();
  return {fail(ErrorKind::stopped, "asked to end"), true};
}

int run_planned(topology::PipelinePlan plan, const RunOptions& options, const topology::PlanContext& context) {
  const std::string data = plan.data;
  const auto control_settings = plan.settings.control;
  auto started = start(std::move(plan), context.registry);
  if (started.asked_to_end) return kOk;
  auto& pipeline = started.pipeline;
  if (!pipeline) return complain(pipeline.error());
  const std::string token = control_settings.token.empty() ? control::random_token() : control_settings.token.reveal();
  auto control = control::ControlServer::start({control_settings.listen, token}, **pipeline,
                                               [&] { return topology::plan_pipeline(options.file, context); });
  if (!control) return complain(control.error());
  if (auto written = control::write_control_file(data, {(*control)->url(), token}); !written)
    return complain(written.error());
  log_info("penstock", "runs {}; control API at {} (token in {}); `penstock status --data {}` shows how it is doing",
           options.file, (*control)->url(), control::control_file_path(data), data);

  const Ending ending = wait_for_end(**pipeline, **control, options.keep_running);
  let_signals_exit();
  const auto status = (*pipeline)->status();
  auto stopped = (*pipeline)->stop();
  control->reset();
  control::remove_control_file(data);
  pipeline->reset();  // so that the last line is the reason, and not what its parts say as they close
  if (ending == Ending::finished) print_summary(status, data);
  if (stopped) return kOk;
  // Damage says itself what goes on, and that something may be lost.
  if (stopped.error().kind == ErrorKind::corrupt) return complain(stopped.error());
  return complain(std::move(stopped).error().context("restart it once the cause is mended; accepted events are safe"));
}

// Every connection is an open file, and the usual soft limit is for programs of the time of select().
void raise_file_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) log_warning("penstock", "the limit of open files stays as it is");
}

}  // namespace

int run(const RunOptions& options, const topology::PlanContext& context) {
  configure_log(options.log_level, options.log_format);
  // Before the first thread: all of them inherit it, and only this one waits for signals.
  const sigset_t set = awaited_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  raise_file_limit();

  auto planned = topology::plan_pipeline(options.file, context);
  if (!planned.plan) {
    for (const auto& problem : planned.problems) fmt::print(stderr, "{}\n", problem.to_string());
    return kNotWell;
  }
  return run_planned(*std::move(planned.plan), options, context);
}

}  // namespace penstock::cli
