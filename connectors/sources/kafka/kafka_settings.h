#pragma once
// What the source `kafka` can be told, and what librdkafka is told in consequence.

#include <array>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/config/fields.h"
#include "pipeline/kafka/client_settings.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/registry/registry.h"

namespace penstock::sources::kafka {

enum class Codec : std::uint8_t { json, raw };
enum class KeyedBy : std::uint8_t { none, distinct_id, repartition };

}  // namespace penstock::sources::kafka

template <>
struct penstock::config::enum_names<penstock::sources::kafka::Codec> {
  using Codec = penstock::sources::kafka::Codec;
  static constexpr std::array names{std::pair{"json", Codec::json}, std::pair{"raw", Codec::raw}};
};
template <>
struct penstock::config::enum_names<penstock::sources::kafka::KeyedBy> {
  using KeyedBy = penstock::sources::kafka::KeyedBy;
  static constexpr std::array names{std::pair{"none", KeyedBy::none}, std::pair{"distinct_id", KeyedBy::distinct_id},
                                    std::pair{"repartition", KeyedBy::repartition}};
};

namespace penstock::sources::kafka {

struct Config {
  std::vector<std::string> brokers;
  std::vector<std::string> topics;
  std::string from = "earliest";
  std::string group{};
  Codec codec = Codec::json;
  KeyedBy key = KeyedBy::none;
  Bytes message_max = 1_MiB;
  Bytes memory = 64_MiB;
  Duration refresh{30'000};
  config::StringMap client;

  KafkaTopics reads() const;

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    using config::range;
    return std::tuple{
        field("brokers", &Config::brokers, penstock::kafka::kBrokersHelp, Need::required),
        field("topics", &Config::topics,
              "Names of topics, and patterns in which * stands for any text. No pattern finds the topics of the pipeline's "
              "own "
              "log.",
              Need::required),
        field("from", &Config::from,
              "Where to begin with partitions that were never read: earliest, latest, a time such as 2026-08-01T10:00:00Z, "
              "or stored: where "
              "`group` stands, and at the earliest of what it has never read. Those that a topic gets later are read from "
              "their beginning, and with latest, topics that come later from what is written after the start. "
              "What was read once goes on where ingest's commits say, whatever stands here."),
        field("group", &Config::group,
              "A consumer group that nobody else consumes with. Every few seconds it is told what ingest has committed, so "
              "that Kafka's tools "
              "show how far the source is; where to go on is in the commits themselves."),
        field("codec", &Config::codec,
              "json: the message's value is the event; tombstones are passed over. raw: the event is {\"topic\", "
              "\"partition\", "
              "\"offset\", \"timestamp\", \"key\", \"headers\": [[name, value]], \"value\"}, with null for what the message "
              "does "
              "not have, and {\"base64\": …} for what is not UTF-8."),
        field(
            "key", &Config::key,
            "What the messages' keys are. none: anything; on the direct route each goes on with what comes of its message. "
            "distinct_id: the distinct id, and so it is that of what comes of it, also where an app has changed it. "
            "repartition: something else, and events are to be divided and ordered by distinct id before apps see them: "
            "they go "
            "by way of the log `captured`, each once, as if they had been pushed. Keys, headers and tombstones do not go on "
            "then."),
        field("message_max", &Config::message_max, "A larger message becomes a dead letter with its first 64 KiB.",
              range(1_KiB, 64_MiB)),
        field("memory", &Config::memory,
              "What is fetched ahead of ingest, of all partitions together. Where it is less than 256KiB for each, they "
              "take turns, "
              "and their events wait. What a producer wrote as one batch comes whole, however large.",
              range(8_MiB, 16_GiB)),
        field("refresh", &Config::refresh, "How often topics and partitions are looked for.",
              range(Duration(100), Duration(3'600'000))),
        field("client", &Config::client, penstock::kafka::kClientHelp)};
  }
  void check(config::StructReader& reader) const;
};

// Of a partition that is read: what is queued, and a fetch beyond it. Where there are more partitions than `memory` is enough for, each
// gets less, down to a bound.
struct ReadAhead {
  Bytes queue;
  Bytes fetch;
};
ReadAhead read_ahead(const Config& config, std::size_t partitions);
// For so many partitions.
penstock::kafka::Settings client_settings(const Config& config, std::size_t partitions = 1);
// Of a configuration that was checked.
penstock::kafka::Beginning beginning_of(const Config& config);
// Otherwise the beginning goes for what the group has never read.
bool begins_where_group_stands(const Config& config);
bool is_pattern(std::string_view topic);
// How many of them are read at the same time.
std::size_t partitions_at_once(const Config& config, std::size_t partitions = 1);

}  // namespace penstock::sources::kafka
