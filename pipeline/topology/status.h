#pragma once
// What a running pipeline knows of itself at one moment: the control API, the summary at the end of a run and, through the
// API, the CLI all show this.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"

namespace penstock::topology {

struct LogStatus {
  std::uint64_t bytes = 0;   // on disk
  std::uint64_t events = 0;  // kept
};

struct SourceStatus {
  std::string name;
  std::string type;
  bool finite = false;
  std::string trouble{};  // why it cannot read what it is to read; empty: it can, or does not tell
};

struct InputStatus {
  std::string name;  // "captured", which all pushed sources share, or a polled source
  std::optional<std::uint64_t> lag_events{};  // that ingest has not read
  std::optional<std::uint64_t> lag_bytes{};  // instead, of a polled source
  double lag_seconds = 0;
};

struct AppStatus {
  std::string name;
  std::string version;  // that app.yaml says
  std::string checksum;  // of its files and its entry in the chain
  std::uint64_t events = 0;
  std::uint64_t dropped = 0;
  std::uint64_t errors = 0;
  std::uint64_t passed_by = 0;  // while it was suspended
  bool suspended = false;
  bool holds = false;  // ingest, or the destination, waits while it is suspended; otherwise events pass it by
  std::string reason;  // why it is suspended
};

struct DestinationStatus {
  std::string name;
  std::string type;
  std::string health;  // "healthy", "unavailable", …
  std::string reason;  // empty when healthy
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t dead = 0;
  std::uint64_t lag_events = 0;
  double lag_seconds = 0;
  std::uint64_t skipped = 0;  // removed by retention before it had read them
  std::uint64_t retries = 0;  // events tried again
  std::size_t in_flight = 0;  // writes under way
  std::size_t retrying = 0;  // writes that wait for another try
  std::size_t blocked_keys = 0;  // distinct ids that a dead letter holds up
  std::uint64_t again_waiting = 0;  // dead letters that are to be sent again
  std::optional<std::uint64_t> replay_left{};  // events that a replay has still to look at; none: there is no replay
  std::string replay_stopped{};  // why it does not go on; empty: it does
  std::uint64_t replay_undecided = 0;  // events that it did not send, for its `where` failed on them
  std::uint64_t replay_skipped = 0;  // events that retention removed before the replay had read them
  std::vector<AppStatus> apps{};  // its own
};

// Where processes share the log: what of the input is this one's work.
struct GroupStatus {
  int shards = 0;  // of all processes
  std::vector<int> here{};
  std::vector<int> restoring{};  // on their way here: being taken over, or their state restored
  std::uint64_t rebalances = 0;  // how often shards came or went
  Duration restored_in_max{0};  // the longest that one of those here took to come
  std::string trouble{};  // what brokers have against this process as a member; empty: nothing
  std::string sources_differ{};  // which source is not the same in another process; empty: all are
};

struct PipelineStatus {
  std::string version;
  std::string file;
  std::string state;  // "running", "draining"
  Timestamp started_at;
  std::size_t workers = 1;  // threads of ingest
  std::uint64_t chain_version = 0;
  bool ingest_idle = false;
  Duration ingest_busy{0};  // with one slice of work; more than a moment means that an app or the disk is stuck
  std::uint64_t ingest_kept = 0;     // since the start
  std::uint64_t ingest_dropped = 0;
  std::uint64_t ingest_duplicates = 0;  // pushed again by their clients
  std::uint64_t ingest_dead = 0;
  std::string sources_wait_for;  // why nothing comes in; empty when it does
  std::optional<GroupStatus> group{};  // none: this process does all of the work
  LogStatus captured;
  LogStatus events;
  std::vector<SourceStatus> sources;
  std::vector<InputStatus> inputs;
  std::vector<AppStatus> apps;
  std::string apps_refused;  // why the apps on disk are not the ones that run; empty when they are
  std::vector<DestinationStatus> destinations;
  // One line: "healthy", or what is wrong and what to do.
  std::string verdict;
  bool healthy = true;
};

}  // namespace penstock::topology
