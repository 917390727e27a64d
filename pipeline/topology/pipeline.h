#pragma once
// A running pipeline: the one place that knows every part and how they are joined.
//
// Shutdown follows the event: sources stop, ingest commits what it has, destinations get a deadline, cursors are written.
// Anything not done by then is done after the next start.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/topology/plan.h"
#include "pipeline/topology/status.h"

namespace penstock::topology {

class Steering;

// What a reload did, one line a component.
struct ReloadReport {
  std::vector<std::string> changes;  // "destination crm: restarted (settings changed)"; empty: nothing differed
};

class Pipeline {
 public:
  // Opens the data folder, brings derived state up to date, starts destinations, ingest and sources, in this order.
  // An error names the part; nothing is left running then. `base_folder`s and secrets come from the plan. `stop` ends the wait for
  // brokers: an error of kind stopped.
  static Result<std::unique_ptr<Pipeline>> start(PipelinePlan plan, const Registry& registry, std::stop_token stop = {});
  // As stop, without waiting for destinations.
  ~Pipeline();

  // Any thread, at any time.
  PipelineStatus status() const;
  std::string render_metrics() const;
  const PipelinePlan& plan() const;
  Result<std::vector<dead::Listed>> list_dead(const dead::Filter& filter, const dead::Page& page) const;
  Result<DeadLetter> find_dead(const std::string& id) const;

  // What a person may tell it; see there. Lives as long as the pipeline.
  Steering& steering();

  // Applies what differs: apps and destinations. Everything new is built before anything old is touched, so an error
  // in the settings changes nothing. One that only starting shows (a disk that refuses a new cursor) leaves that destination
  // stopped until the next reload; the rest is applied. A difference that needs a restart (sources, data, log, …) is an error that names it. One at a time.
  Result<ReloadReport> reload(PipelinePlan next);

  // Takes the apps as their files are now, between two batches, when they compile and pass their cases; a destination whose own
  // apps differ is restarted. The configuration stays the one that was loaded. An error changes nothing, and is in the status until apps are taken again. One at a time.
  Result<ReloadReport> reload_apps();
  // Whose files reload_apps would read anew; not those in the program. Any thread.
  std::vector<std::string> app_folders() const;

  // Every source is finite and over, and all of it is in the log. Any thread.
  bool input_over() const;
  // Every source is finite and over, and every destination has settled everything. Any thread.
  bool finished() const;
  // Something after which events cannot be promised any more; the process must stop. Any thread.
  std::optional<Error> failure() const;

  // No new input from now on; up to each destination's `drain` for what is under way. Once.
  Result<void> stop();

 private:
  struct Impl;
  explicit Pipeline(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::topology
