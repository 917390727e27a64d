#pragma once
// The log on Kafka. `events` is a topic of one plain message for each event, so that everybody else can read it too; `captured` and
// `state` are its own (captured_record.h, state_rows.h). What ingest commits is one transaction over `events` and `state`.
//
// With one shard there is one process per prefix: a second one takes the log over, and the first fails. With more, processes are a
// group, and each shard of the input is one process's at a time, who alone commits what was made of it (join, take).
// Thread-safe; readers must be gone before the log is.
// What brokers remove of `events` by themselves is for them to say, so `trim` only looks. How many bytes there are nobody knows.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/kafka/group_member.h"
#include "pipeline/ports/log.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::logs::kafka {

class KafkaLog final : public Log {
 public:
  struct Around {
    const Clock& clock;
    MemoryBudget* memory = nullptr;  // where decoded chunks are counted; outlives them
    telemetry::Metrics* metrics = nullptr;
    std::stop_token stop = {};  // ends open()
    // Of several shards: how far a commit says that `captured` is read; what all shards have read may be removed.
    std::function<std::optional<std::uint64_t>(const LogRecord&)> captured_read = nullptr;
  };

  // Waits for a broker, up to half a minute; looks at the topics, takes the log over. Errors say what to do: not_found and invalid (the
  // topics), conflict (somebody else takes it over), unavailable (no broker answers), stopped.
  static Result<std::unique_ptr<KafkaLog>> open(Config config, const Around& around);
  ~KafkaLog() override;

  // The cluster, and the topic `events`: what offsets belong to.
  const std::string& identity() const;
  // The largest event that its topic takes, as event_bytes counts.
  std::size_t event_bytes_max() const;
  // The largest dead letter that the topic of changes takes, by its texts.
  std::size_t letter_bytes_max() const;

  // Where its topic is somebody else's too: there the direct route ends.
  bool keeps_attachments() const override;
  bool takes_open_chunks() const override { return true; }

  int shards() const;
  // Of several shards. Returns at once; what the group gives comes in `calls`. invalid: the settings.
  Result<void> join(penstock::kafka::GroupMember::Calls calls);
  // Gives back all shards, and lets the others know. Not from `calls`.
  void leave();
  // Blocks until nothing of a former holder is under way, and it is durable that the shard is ours. It is let go when the view ends.
  // unavailable: not now, or it was lost meanwhile; stopped.
  Result<std::unique_ptr<Log>> take(const penstock::kafka::Holding& shard, const std::stop_token& stop);
  // So that all that was ever committed of a shard that is ours can be read by offset: see wait_for_undecided.
  Result<void> wait_for_undecided(const std::stop_token& stop);
  // Before it is let go in peace: others then know that nothing of this process is open. Blocks. unavailable: it was lost before.
  Result<void> release(int shard);
  void let_go(int shard);
  Result<std::unique_ptr<LogReader>> read_changes(int shard, std::uint64_t sequence);
  std::uint64_t next_of_shard(int shard) const;
  std::uint64_t rebalances() const;
  // What brokers have against this member of the group; empty: nothing.
  std::string group_trouble() const;
  // Which source is not the same in another process that has shards, as far as was seen of late; empty: they agree.
  std::string sources_differ() const;
  // Asks where the logs end: what others write is known here once it was read, or after this.
  Result<void> look_at_ends();

  int partitions() const override;
  void append(LogName log, LogRecord record, AppendDone done) override;
  Result<std::unique_ptr<LogReader>> read(LogName log, const Offsets& start) override;
  Result<std::unique_ptr<LogReader>> read_from_sequence(LogName log, std::uint64_t sequence) override;
  Result<std::unique_ptr<LogReader>> read_share(LogName log, std::uint64_t sequence, PartitionShare share) override;
  Result<Offsets> offsets_at(LogName log, Timestamp time) override;
  Result<Trimmed> trim(LogName log, const TrimLimits& limits) override;
  Offsets begin(LogName log) const override;
  Offsets end(LogName log) const override;
  std::uint64_t next_sequence(LogName log) const override;
  std::uint64_t bytes(LogName log) const override;
  std::size_t pending_bytes() const override;
  std::optional<Error> failure() const override;
  std::optional<Error> refusal() const override;
  void close() override;

 private:
  struct Impl;
  explicit KafkaLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::logs::kafka
