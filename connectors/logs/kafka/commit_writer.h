#pragma once
// The one thread that writes `events` and `state`: takes everything that is queued, writes it in one transaction, makes it visible to
// readers, and answers in the order of the sequence.
//
// How a write can fail, and what follows:
//   * a record that cannot be stored (too large, not a chunk) fails alone;
//   * a transaction that fails for any other reason may have been committed all the same. So nothing is answered until the log was
//     taken over anew and its newest commit says which: then the group is durable, or it fails as `unavailable`, and so does
//     everything that is queued by then. That takes as long as no broker answers;
//   * somebody else holds the log: nothing can be written here any more. The failure stays.
//
// In a group each record is of a shard, and goes with the membership: once the shard was lost, its records fail as `unavailable`, and
// those of others in the same transaction are written again.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "connectors/logs/kafka/reach.h"
#include "connectors/logs/kafka/state_rows.h"
#include "connectors/logs/kafka/topics.h"
#include "pipeline/base/uuid.h"
#include "pipeline/event/chunk.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/kafka/transactions.h"
#include "pipeline/ports/log.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::logs::kafka {

// What the writer asks about the group. Any thread.
struct GroupOfShards {
  std::function<std::optional<penstock::kafka::Membership>(std::span<const penstock::kafka::Holding>)> membership;
  std::function<bool(const penstock::kafka::Holding&)> holds;
};

// How far a record says that `captured` is read, by the whole share that it is of; nullopt: it does not say.
using CapturedRead = std::function<std::optional<std::uint64_t>(const LogRecord&)>;

class CommitWriter {
 public:
  struct Around {
    const Config& config;
    int partitions = 0;
    std::uint64_t events_max = 0;  // the largest message that each topic takes
    TimeWindow times;  // that the topic of events takes
    std::uint64_t state_max = 0;
    penstock::kafka::Consumer& looker;  // nobody else reads with it; any thread may ask it for bounds
    Reach& reach;
    std::deque<Reach>& shard_reaches;
    const Clock& clock;
    const GroupOfShards* group = nullptr;  // null: this process has the log alone
    telemetry::Metrics* metrics = nullptr;
    CapturedRead captured_read = nullptr;
    std::stop_token stop = {};  // ends open()
  };

  // Takes the log over from whoever had it, or what this process itself had left open in a group, and starts the thread. References
  // outlive the writer. conflict: somebody else takes it over at the same time; unavailable: no broker answers; stopped.
  static Result<std::unique_ptr<CommitWriter>> open(const Around& around);
  ~CommitWriter();

  // Thread-safe, returns at once. `done` is called from the writer's thread; after close() from the caller's, `stopped`.
  void append(LogRecord record, AppendDone done);
  // In a group: records of the shard are taken from now on, after `newest`, and until it is let go. Waits until that is durable.
  // unavailable: it was lost meanwhile.
  Result<void> adopt(const penstock::kafka::Holding& shard, const Commit& newest);
  // Its last commit: that nobody holds the shard, so whoever takes it over need not end what this process has open. Waits until that is
  // durable. unavailable: it was lost before.
  Result<void> release(int shard);
  void let_go(int shard);
  const Uuid& holder() const { return holder_; }
  // What an event may come to: see event_bytes.
  std::size_t event_bytes_max() const;
  // What a dead letter may come to, with some room for its numbers.
  std::size_t letter_bytes_max() const;
  // Thread-safe.
  std::size_t pending_bytes() const;
  std::optional<Error> failure() const;
  // Why it is not known what became of the newest transaction, or that it has been under way for long; nullopt: neither.
  std::optional<Error> trouble() const;
  // Finishes what is queued, as far as brokers answer, and joins. Thread-safe, may be called again.
  void close();

 private:
  struct Waiting {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    LogRecord changes;  // without chunks, but with what is attached to their events
    std::uint64_t term = 0;  // of its shard
    std::optional<Commit> adopted;  // what it begins after
    bool releases = false;
    AppendDone done;
    std::size_t bytes = 0;
    bool impossible = false;  // only to be answered, in its turn
    Appended appended;
  };
  using Group = std::vector<Waiting>;
  using Newest = std::map<int, Commit>;  // by shard

  explicit CommitWriter(const Around& around);
  Result<Waiting> prepare(LogRecord record) const;
  Result<void> take_over();
  Result<void> claim();
  Result<void> look_whose();
  void queue(Waiting waiting);
  Result<void> queue_and_wait(Waiting waiting);
  std::map<int, std::uint64_t> after(const Group& group) const;
  Result<bool> find_fate(const std::map<int, std::uint64_t>& expected);
  Result<void> measure();
  void run();
  Group take_group();
  Group take_queued();
  void commit(Group group);
  void answer_lost(Group& group);
  Result<std::optional<penstock::kafka::Membership>> membership_for(const Group& group) const;
  Result<void> write_as_member(Group& group);
  Result<void> write(Group& group, const std::optional<penstock::kafka::Membership>& member);
  Result<void> send_events(const Waiting& waiting, Offsets& next);
  Result<void> send_event(const Chunk& chunk, std::uint32_t index, const Attachment& attachment, Timestamp now);
  std::optional<Error> fate_of(const Group& group, Error why);
  bool pause(std::chrono::milliseconds time);
  void weigh_time(bool written);
  void note(std::optional<Error> trouble);
  void use(std::unique_ptr<penstock::kafka::Transactions> transactions);
  void set_busy(std::optional<SteadyTime> since);
  void answer(Group group, const std::optional<Error>& error);

  const Around around_;
  const Uuid holder_;
  const std::string sources_;  // in a group: what each commit says of them

  mutable std::mutex mutex_;
  std::condition_variable filled_;  // with mutex_
  // Guarded by mutex_.
  std::deque<Waiting> queue_;
  std::size_t pending_bytes_ = 0;
  std::optional<Error> failure_;
  std::optional<Error> trouble_;
  bool closed_ = false;
  std::optional<SteadyTime> busy_since_;  // the writer's thread, with one group
  std::map<int, std::uint64_t> terms_;  // of the shards whose records are taken
  std::mutex join_mutex_;

  // The writer's thread, and whoever opens it before. Others look at which transactions_ it is with mutex_ only.
  std::unique_ptr<penstock::kafka::Transactions> transactions_;
  penstock::kafka::Transactions::Topic events_topic_ = nullptr;  // of it
  std::optional<Error> given_up_;  // no broker answered while the log was being closed
  Duration transaction_timeout_ = kTransactionTimeout;  // of the next client
  Duration client_timeout_ = kTransactionTimeout;  // of this one
  Duration longest_transaction_ = kTransactionTimeoutMax;  // that brokers allow, as far as is known
  std::optional<SteadyTime> begun_at_;  // the transaction in hand
  int quick_commits_ = 0;  // in a row
  Newest newest_;
  Offsets next_;  // where the log ends
  // Of the message in hand.
  std::string facts_header_;
  std::vector<AttachedHeader> attached_;
  std::vector<penstock::kafka::Transactions::Header> headers_;
  std::vector<std::vector<StateRow>> rows_;  // what the open transaction points into

  std::thread thread_;
};

}  // namespace penstock::logs::kafka
