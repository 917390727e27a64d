#pragma once
// Taking a share of the input over from another process of the group: where it stands, once nothing that a former holder wrote can still
// be committed. The group's offset of the shard in the topic `state` is the number of the record after its newest commit, and goes with
// each commit, so brokers tell while it may still change.
//
// A holder that was killed leaves a transaction open until brokers end it, after a while, and nobody can read past it. Its name is in
// its last commit, unless it has released the shard: so its transaction is ended under that name, but only when something of the shard is
// undecided. A live one that was only slow takes its name again, and loses what it was about to commit: two that took shards over from
// each other, and ended each other's transactions each time, would never come to an end.

#include <stop_token>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "connectors/logs/kafka/state_rows.h"
#include "pipeline/base/result.h"

namespace penstock::logs::kafka {

// Blocks; `self` is the name of this process. unavailable: it could not be found out for now. stopped: somebody wants to stop.
Result<Commit> settle_shard(const Config& config, int shard, const Uuid& self, const std::stop_token& stop);

// Blocks until nothing is undecided any more of what stands in `events` now: until then nobody can read what was committed behind it, by
// the former holder of a shard too. Half a minute at most: our own transactions are over by then, and those of others may be long.
// unavailable: brokers do not answer; stopped.
Result<void> wait_for_undecided(const Config& config, int partitions, const std::stop_token& stop);

}  // namespace penstock::logs::kafka
