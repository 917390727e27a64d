#pragma once
// The one file that knows the real implementations: which disk, which log, which HTTP client, and what each part is given.

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/logs/kafka/group_offsets.h"
#include "connectors/logs/kafka/kafka_log.h"
#include "connectors/logs/local/local_log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/delivery/destination_runner.h"
#include "pipeline/delivery/tail_watcher.h"
#include "pipeline/http/curl_client.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/refusal.h"
#include "pipeline/ingest/remember_uuids.h"
#include "pipeline/ingest/repartition.h"
#include "pipeline/ingest/workers.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/state/derived_state.h"
#include "pipeline/telemetry/metrics.h"
#include "pipeline/topology/backup.h"
#include "pipeline/topology/measured_chain.h"
#include "pipeline/topology/plan.h"
#include "pipeline/topology/retention.h"
#include "pipeline/topology/share_of_events.h"
#include "pipeline/topology/source_board.h"
#include "pipeline/topology/states.h"
#include "pipeline/topology/status.h"

namespace penstock::topology {

struct RunningSource {
  std::string name;
  std::unique_ptr<ingest::CapturedIntake> intake;
  std::unique_ptr<PushedSource> source;
};

// Built and checked, not yet started.
struct PreparedDestination {
  std::string name;
  std::string type;
  std::uint64_t fingerprint = 0;
  std::uint64_t chain_version = 0;
  delivery::DestinationParts parts;
};

struct RunningDestination {
  std::shared_ptr<ShareOfEvents> share;  // what it reads, in a group
  std::string type;
  std::uint64_t fingerprint = 0;
  std::uint64_t chain_version = 0;
  const AppBoard* app_board = nullptr;  // of its own apps; of the parts
  Duration drain{0};
  std::unique_ptr<delivery::DestinationRunner> runner;
};

// Ingest of one share of the input, built and not yet started.
struct BuiltShard {
  std::unique_ptr<Log> log;  // as this share sees it; null: it is the whole log
  std::shared_ptr<DerivedState> state;
  std::unique_ptr<ingest::Workers> workers;
};

// What a pipeline consists of besides its threads; in the order in which it is opened, and so destroyed last to first.
class Parts {
 public:
  Parts(PipelinePlan given, const Registry& known);

  // The data folder and what lives in it. `stop` ends what waits for brokers.
  Result<void> open(std::stop_token stop);
  Result<PreparedDestination> prepare(const PlannedDestination& planned);
  // With what people have told it so far; so with `orders` held until it can be found, once people can tell it something.
  Result<std::unique_ptr<RunningDestination>> start(PreparedDestination prepared);
  // All of the input, where no others have shares of it.
  Result<BuiltShard> build_whole();
  // Blocks until the share is ours and its state is restored: as KafkaLog::take. Stopped on the way it gives the share back.
  Result<BuiltShard> build_shard(const penstock::kafka::Holding& shard,
                                 const std::shared_ptr<const scripting::ChainPlan>& chain, const std::stop_token& stop);
  Result<std::vector<RunningSource>> build_pushed();
  // One for each worker; in a group, one for each shard.
  Result<std::vector<std::unique_ptr<Transform>>> build_chains(const std::shared_ptr<const scripting::ChainPlan>& chain);
  // Runs from when ingest is built; `holders` are asked on its thread.
  std::unique_ptr<Retention> build_retention(std::function<std::uint64_t()> captured_committed,
                                             std::function<std::vector<Holder>()> holders);
  // Null where groups show nothing. Asks on a thread of its own.
  std::unique_ptr<logs::kafka::GroupOffsets> build_group_offsets(logs::kafka::GroupOffsets::Ask ask) const;
  // Stops the threads that destinations share; then the log and the stores.
  void close();

  std::string render_metrics(const std::vector<ingest::InputLag>& lag, const std::optional<GroupStatus>& group);
  Result<std::vector<dead::Listed>> list_dead(const dead::Filter& filter, const dead::Page& page) const;
  Result<DeadLetter> find_dead(const std::string& id) const;
  // See there.
  Result<BackupReport> back_up(const std::string& to) const;
  // In a group: of the shards that are here now.
  States& states() { return states_; }
  // In a group: what destinations that are started from now on deliver; null: nothing.
  void set_share(std::shared_ptr<ShareOfEvents> share);
  // A cursor without what others deliver: kNoOffset there.
  Offsets of_share(Offsets cursor) const;
  // Nothing had been delivered of it, for there was nothing.
  bool log_was_empty() const { return log_was_empty_; }
  // The log, when processes share it.
  logs::kafka::KafkaLog* group_log() { return group_log_; }
  delivery::DeliveryStore& store() { return *store_; }
  catalog::Catalog& catalog() { return *catalog_; }
  // Of a source in the configuration; one of that name with canonical bodies when there is none.
  ingest::SourceIdentity identity_of(const std::string& source) const;
  // Without what only the pipeline knows: its threads.
  PipelineStatus status() const;

  const PipelinePlan plan;
  const Registry& registry;
  const Clock& clock = system_clock();
  const Timestamp started_at = clock.now();
  telemetry::Metrics metrics;
  SourceBoard source_board{metrics};
  AppBoard app_board;
  std::mutex orders;  // held while an order is written down and told, and while a destination starts by what is written down
  ingest::Gate gate;
  Disk& disk = posix_disk();
  MemoryBudget chunk_memory;  // of the logs' decoded chunks
  std::unique_ptr<FileLock> data_lock;  // when the log has none of its own
  std::unique_ptr<Log> log;

 private:
  Result<void> open_log(std::stop_token stop);
  Result<void> open_state();
  Result<void> open_local_log();
  Result<void> open_kafka_log(std::stop_token stop);
  bool on_kafka() const { return plan.settings.log.type == LogType::kafka; }
  // Kept for every name there ever was: a destination that was told to stop may come to its end late.
  AppBoard& board_of(const std::string& destination);
  Result<void> take_orders(delivery::DestinationParts& destination);
  Result<delivery::Preparing> build_preparing(const PlannedDestination& planned);
  // With how far `state` says that it was committed; null: several states do.
  ConnectorContext context(const std::string& name, const std::shared_ptr<DerivedState>& state, PartitionShare share = {});
  std::shared_ptr<DerivedState> whole_state() const { return group_log_ == nullptr ? states_.all().front() : nullptr; }
  int worker_count() const;
  Result<void> restore_shard(BuiltShard& built, int shard, const std::shared_ptr<const scripting::ChainPlan>& chain,
                             const std::stop_token& stop);
  Result<std::vector<ingest::PolledInput>> build_polled(const std::shared_ptr<DerivedState>& state, PartitionShare share);
  std::vector<ingest::PushedInput> pushed_inputs();
  Result<RunningSource> build_repartition(const ingest::SourceIdentity& identity, std::unique_ptr<PolledSource> source);
  Result<std::unique_ptr<ingest::Workers>> build_workers(Log& of_share, const std::shared_ptr<DerivedState>& state,
                                                         PartitionShare share,
                                                         std::vector<std::unique_ptr<Transform>> chains);

  const ingest::Workers* workers_ = nullptr;  // of the whole, from when it is built
  KafkaTopics own_topics_;  // of the log, when it is on Kafka
  logs::local::LocalLog* local_log_ = nullptr;  // `log`, when it is one
  std::size_t event_bytes_max_ = 0;  // that the log takes; 0: any
  std::size_t letter_bytes_max_ = 0;  // likewise
  std::map<std::string, AppBoard> destination_boards_;  // by destination; the map changes while destinations are replaced
  logs::kafka::KafkaLog* group_log_ = nullptr;  // `log`, when it is one of several shards
  bool log_was_empty_ = false;  // when it was opened
  std::unique_ptr<ingest::UuidsOfLog> uuids_of_log_;  // in a group
  States states_;
  mutable std::mutex share_mutex_;
  std::shared_ptr<ShareOfEvents> share_;  // guarded by share_mutex_
  std::unique_ptr<delivery::DeliveryStore> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<http::CurlClient> http_;
  std::unique_ptr<ThreadPool> delivery_threads_;
  std::unique_ptr<ThreadPool> blocking_threads_;
  std::unique_ptr<ThreadPool> storing_threads_;
};

// Of derived state; has it catch up first, if it can.
Result<std::vector<SourcePosition>> stored_positions(DerivedState& state, const std::string& source);

// Where a source's `map:` says that facts are; without one, the SDKs' places.
FactPaths paths_of(const SourceSettings& settings);

// A `when:` in Lua, for a destination. An error says where it is wrong.
Result<delivery::When> bind_condition(const std::string& expression);

std::vector<InputStatus> to_status(const std::vector<ingest::InputLag>& lag);
// Without what only the store knows, and so without a look at a disk.
DestinationStatus to_status(const RunningDestination& running);
void publish(const GroupStatus& group, telemetry::Metrics& metrics);
// Says in one line whether all is well, or what is wrong and what to do.
void judge(PipelineStatus& status, const std::optional<Error>& failure, const std::optional<Error>& damage);

}  // namespace penstock::topology
