#pragma once
// What a run is like: drawn once from its seed.

#include <array>
#include <string>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/delivery/settings.h"
#include "pipeline/ingest/committer.h"
#include "tests/simulation/receiver.h"

namespace penstock::simulation {

inline constexpr std::array kDestinationNames{"crm", "lake", "mail"};

struct DestinationPlan {
  delivery::DestinationSettings settings;
  ReceiverHabits habits;
  bool has_app = false;

  // Events that the documented bounds let it have open: those of the batches that are open, of a replay and of the retry lane.
  std::size_t open_events_max() const;
};

struct Settings {
  int partitions = 4;
  int workers_max = 1;  // each process has as many, or fewer
  Bytes segment;
  Bytes recent;  // records that readers share; without any, each reads the disk
  // Commits are closed by time alone, so that the next batch can be begun while one is in flight. Else by events, and then a
  // full batch would wait for the commit before it, on the only thread there is.
  bool overlapping_commits = false;
  ingest::CommitLimits commit;
  std::vector<DestinationPlan> destinations;
  int clients = 0;
  std::size_t feed_partitions = 0;  // of what a polled source reads; 0: there is none
  int steps = 0;
  int kills_max = 0;
  bool cuts_to_the_end = false;  // retention goes on when everything is healed
  std::size_t memory = 0;  // bytes of decoded chunks, of all destinations together; 0: no limit
};

Settings draw_settings(Chance& chance);

}  // namespace penstock::simulation
