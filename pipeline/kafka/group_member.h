#pragma once
// A member of a consumer group that divides the partitions of one topic among processes; nothing is consumed with it. librdkafka, with
// nothing of its header here.
//
// Partitions move cooperatively: those that stay are not touched. Before one goes to another member, `losing` returns here. Who was
// silent for longer than the group waits has lost all of them without being asked: so what must be written by one member only goes by a
// transaction that names the membership (Transactions::send_offsets), which brokers refuse once it is of the past. librdkafka 2.0.2
// may join anew with what it had, and never say that it was expelled: that it has another id then is how this knows.
//
// At its end a member leaves, and others take over without a wait. It has no name (`group.instance.id`): one that was killed between two
// steps of a rebalance would get its part back under its name, nobody would take the other step, and partitions would be nobody's.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/kafka/client_settings.h"
#include "pipeline/telemetry/metrics.h"

struct rd_kafka_consumer_group_metadata_s;

namespace penstock::kafka {

// What a member is at one moment.
class Membership {
 public:
  explicit Membership(rd_kafka_consumer_group_metadata_s* made) : made_(made) {}
  const rd_kafka_consumer_group_metadata_s* get() const { return made_.get(); }

 private:
  struct Deleter {
    void operator()(rd_kafka_consumer_group_metadata_s* made) const;
  };
  std::unique_ptr<rd_kafka_consumer_group_metadata_s, Deleter> made_;
};

// A partition from when a member got it until it has it no more; another time is another term.
struct Holding {
  int partition = 0;
  std::uint64_t term = 0;
};

// Any thread, but for join and the destructor.
class GroupMember {
 public:
  // Called on the member's thread.
  struct Calls {
    std::function<void(const std::vector<Holding>&)> gained;  // returns at once
    // What is written under these until it returns counts, unless they are lost already: then others may have had them for long.
    // It must end, for all members wait.
    std::function<void(const std::vector<int>&, bool lost)> losing;
  };

  // Returns at once; partitions come when all members have agreed. invalid: the settings, with group.id, do not make a client.
  static Result<std::unique_ptr<GroupMember>> join(const Settings& settings, const std::string& topic, Calls calls,
                                                   telemetry::Metrics* metrics);
  // As leave.
  ~GroupMember();
  GroupMember(const GroupMember&) = delete;
  GroupMember& operator=(const GroupMember&) = delete;

  // Gives back what it has, and tells the group. Waits for `losing`, and a few seconds when no broker answers. May be called again.
  void leave();
  // For a transaction about these; nullopt: one of them is not held any more, or the member is just joining anew. Blocks for as long as
  // librdkafka does, which nothing below waits for.
  std::optional<Membership> membership(std::span<const Holding> about) const;
  bool holds(const Holding& what) const;
  // conflict: another process goes by the same name. It is no member any more.
  std::optional<Error> failure() const;
  // What brokers last had against a member that has nothing; empty: it has something, or they have agreed to that since.
  std::string trouble() const;
  // How often partitions came or went.
  std::uint64_t rebalances() const;

 private:
  struct Impl;
  explicit GroupMember(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::kafka
