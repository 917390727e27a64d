#pragma once
// What must be true of a run that has come to its end.

#include <set>
#include <vector>

#include "tests/simulation/ledger.h"
#include "tests/simulation/world.h"

namespace penstock::simulation {

struct Ending {
  const Ledger& ledger;
  Offsets begin;  // of `events`: what retention has left
  Offsets end;
  const std::vector<OrderedReplay>& replays;  // those that nobody cancelled
  // By destination: events of which a dead letter was discarded, or that retention removed before they were settled there.
  const std::vector<std::set<Uuid>>& excused;
  bool restarted = false;  // without a restart nothing is delivered twice
};

// Broken promises go to the world's trace.
void check_promises(World& world, const Ending& ending);

}  // namespace penstock::simulation
