#pragma once
// What the log on Kafka is told, and what librdkafka is told in consequence. The keys of penstock.yaml are in
// pipeline/topology/settings.h.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connectors/logs/kafka/source_prints.h"
#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/config/struct_reader.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/kafka/client_settings.h"

namespace penstock::logs::kafka {

// How an event's facts travel: in a header, or not at all, and are then read from its body again.
enum class FactsForm : std::uint8_t { header, none };

struct Config {
  std::vector<std::string> brokers;
  std::string prefix;  // of the topics that are the log's own
  std::string events;  // a topic of another name for `events`; empty: <prefix>.events
  FactsForm facts = FactsForm::header;
  FactPaths paths;  // where the facts are in a body, for `none`
  std::string project = "default";  // of events without the header
  std::optional<int> partitions;  // of `events`; an existing topic must have as many
  int shards = 1;  // of the input, for as many processes at most; more than one: they are a group
  SourcePrints sources;  // in a group: what the others are told of them
  std::string instance;  // of a group: by what this process is known in it, and goes on after a kill
  std::optional<int> replication;  // of topics that are created; none: the brokers' default
  bool create = false;  // topics that are missing
  Duration events_age{0};  // how long created topics keep `events`
  Bytes events_bytes{0};  // how much of it, all partitions together
  penstock::kafka::Settings client;

  std::string captured_topic() const { return prefix + ".captured"; }
  std::string events_topic() const { return events.empty() ? prefix + ".events" : events; }
  std::string state_topic() const { return prefix + ".state"; }
  std::string group() const { return prefix + ".penstock"; }
  // The topic of events is not the log's own.
  bool is_direct() const { return !events.empty(); }
};

inline constexpr int kPartitionsDefault = 16;
// The largest message of a topic that is created, and of one that does not say.
inline constexpr std::uint64_t kMessageMaxCreated = 32ULL << 20;
inline constexpr std::uint64_t kMessageMaxUnknown = 1'048'588;

// Notes what of it cannot be, under the keys of penstock.yaml.
void check(const Config& config, config::StructReader& reader);

// How long a transaction may be open: who died in one holds up readers for as long. Brokers that are slow are given more, up to the
// longest, as soon as one was too long for them.
inline constexpr Duration kTransactionTimeout{10'000};
inline constexpr Duration kTransactionTimeoutMax{120'000};

// For topics that take messages of these sizes; with batches of records that none of them refuses.
penstock::kafka::Settings commit_settings(const Config& config, std::uint64_t events_max, std::uint64_t state_max,
                                          Duration transaction_timeout = kTransactionTimeout);
penstock::kafka::Settings capture_settings(const Config& config, std::uint64_t captured_max);
penstock::kafka::Settings reader_settings(const Config& config);
// With the group: as a member of it, or to ask what it has committed.
penstock::kafka::Settings member_settings(const Config& config);
penstock::kafka::Settings group_settings(const Config& config);
penstock::kafka::Settings admin_settings(const Config& config);

}  // namespace penstock::logs::kafka
