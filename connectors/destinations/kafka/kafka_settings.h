#pragma once
// What the destination `kafka` can be told, and what librdkafka is told in consequence.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/config/fields.h"
#include "pipeline/kafka/client_settings.h"

namespace penstock::destinations::kafka {

enum class Format : std::uint8_t { body, envelope };
enum class MessageTime : std::uint8_t { received_at, timestamp };
enum class Compression : std::uint8_t { none, gzip, snappy, lz4, zstd };

}  // namespace penstock::destinations::kafka

template <>
struct penstock::config::enum_names<penstock::destinations::kafka::Format> {
  using Format = penstock::destinations::kafka::Format;
  static constexpr std::array names{std::pair{"body", Format::body}, std::pair{"envelope", Format::envelope}};
};
template <>
struct penstock::config::enum_names<penstock::destinations::kafka::MessageTime> {
  using MessageTime = penstock::destinations::kafka::MessageTime;
  static constexpr std::array names{std::pair{"received_at", MessageTime::received_at},
                                    std::pair{"timestamp", MessageTime::timestamp}};
};
template <>
struct penstock::config::enum_names<penstock::destinations::kafka::Compression> {
  using Compression = penstock::destinations::kafka::Compression;
  static constexpr std::array names{std::pair{"none", Compression::none}, std::pair{"gzip", Compression::gzip},
                                    std::pair{"snappy", Compression::snappy}, std::pair{"lz4", Compression::lz4},
                                    std::pair{"zstd", Compression::zstd}};
};

namespace penstock::destinations::kafka {

struct Config {
  std::vector<std::string> brokers;
  std::string topic;
  std::string key = "{distinct_id}";
  config::StringMap headers;
  Format format = Format::body;
  MessageTime time = MessageTime::received_at;
  Compression compression = Compression::none;
  Duration timeout{30'000};
  config::StringMap client;

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    using config::range;
    return std::tuple{
        field("brokers", &Config::brokers, penstock::kafka::kBrokersHelp, Need::required),
        field(
            "topic", &Config::topic,
            "The topic. It may have facts in it, such as shop.{event}: {uuid}, {project}, {event}, {distinct_id}, {source}; "
            "what a topic's name cannot have becomes an underscore.",
            Need::required),
        field("key", &Config::key,
              "The key, with facts as in `topic`. Events of one key are in one partition, chosen as Java's clients do; "
              "where it is empty the client spreads them."),
        field("headers", &Config::headers, "Headers of each message, by name; the values may have facts in them."),
        field("format", &Config::format,
              "body: each event's JSON as it is. envelope: {\"uuid\": …, the other facts, \"data\": the event's JSON}."),
        field("time", &Config::time,
              "The message's timestamp: when the event was received, or when it happened, as its sender says."),
        field("compression", &Config::compression, "How batches are compressed."),
        field("timeout", &Config::timeout,
              "How long a message may take with all that the client tries, before the destination counts as unavailable.",
              range(Duration(1000), Duration(900'000))),
        field("client", &Config::client, penstock::kafka::kClientHelp)};
  }
  void check(config::StructReader& reader) const;
};

// What a topic allows, as far as the brokers tell.
struct TopicLimits {
  std::optional<std::uint64_t> batch_bytes_max;
  friend bool operator==(const TopicLimits&, const TopicLimits&) = default;
};

// Of librdkafka, with batches that the topic takes: a batch that is too large would be refused with all that is in it.
penstock::kafka::Settings client_settings(const Config& config, const TopicLimits& limits);

// False when the user has said how large batches and messages are.
// The same for a client that puts each message into a batch of its own.
penstock::kafka::Settings lone_client_settings(const Config& config, const TopicLimits& limits);
bool depends_on_limits(const Config& config);

// `name` with an underscore for each character that the name of a topic cannot have.
void make_topic_name(std::string& name);
// Whether a name of such characters can be a topic's.
bool is_topic_name(std::string_view name);

}  // namespace penstock::destinations::kafka
