#include "connectors/sources/kafka/kafka_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "pipeline/event/timestamps.h"

namespace penstock::sources::kafka {
namespace {

using penstock::kafka::Beginning;
using penstock::kafka::Owned;

constexpr std::string_view kPositions = "positions are part of Penstock's own commits";
constexpr std::array kOwned{
    Owned{"group.id", "set `group` instead"},
    Owned{"group.instance.id", kPositions},
    Owned{"enable.auto.commit", kPositions},
    Owned{"enable.auto.offset.store", kPositions},
    Owned{"auto.offset.reset", "set `from` instead; messages that are gone are never passed over without a word"},
    Owned{"enable.partition.eof", "it tells when a partition may wait for its turn"},
    Owned{"queued.max.messages.kbytes", "set `memory` instead"},
};

constexpr std::string_view kStored = "stored";
constexpr std::size_t kTopicNameMax = 249;
constexpr Bytes kJsonMax = 1_MiB;  // of an event's body

// Larger ones are no faster, and smaller ones cost more for each message.
constexpr Bytes kQueueMax = 4_MiB;
constexpr Bytes kFetchMax = 1_MiB;
constexpr Bytes kLeast = 128_KiB;
constexpr std::string_view kFetchSetting = "fetch.message.max.bytes";
constexpr std::string_view kFetchAlias = "max.partition.fetch.bytes";

std::optional<Beginning> read_beginning(const std::string& text) {
  if (text == "earliest" || text == kStored) return Beginning{};
  if (text == "latest") return Beginning{Beginning::Kind::latest, {}};
  if (const auto time = parse_timestamp(text)) return Beginning{Beginning::Kind::time, *time};
  return std::nullopt;
}

bool is_topic_or_pattern(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.size() <= kTopicNameMax &&
         std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
                  c == '-' || c == '*';
         });
}

}  // namespace

void Config::check(config::StructReader& reader) const {
  penstock::kafka::check_brokers(reader, brokers);
  if (topics.empty()) reader.problem("topics", "expected at least one topic, or a pattern such as shop.*");
  for (const auto& topic : topics) {
    if (!is_topic_or_pattern(topic)) {
      reader.problem("topics",
                     fmt::format("'{}' is no topic: they have letters, digits, '.', '_' and '-', patterns '*' too", topic));
    }
  }
  if (!read_beginning(from)) {
    reader.problem("from",
                   fmt::format("expected earliest, latest, stored or a time such as 2026-08-01T10:00:00Z, got '{}'", from));
  }
  if (codec == Codec::json && message_max.count > kJsonMax.count)
    reader.problem("message_max", "with `codec: json` a message is an event, and no event is larger than 1MiB");
  if (begins_where_group_stands(*this) && group.empty())
    reader.problem("from", "`stored` is where a consumer group stands; set `group` too");
  penstock::kafka::check_client(reader, "client", client, penstock::kafka::Role::consumer, client_settings(*this), kOwned);
}

KafkaTopics Config::reads() const {
  KafkaTopics reads{.field = "topics", .brokers = brokers};
  std::ranges::copy_if(topics, std::back_inserter(reads.names), [](const auto& topic) { return !is_pattern(topic); });
  return reads;
}

bool is_pattern(std::string_view topic) { return topic.contains('*'); }

ReadAhead read_ahead(const Config& config, std::size_t partitions) {
  const std::uint64_t each = config.memory.count / std::max<std::size_t>(1, partitions);
  std::uint64_t fetch = std::clamp(each / 2, kLeast.count, kFetchMax.count);
  for (const auto& [name, value] : config.client)
    if (name == kFetchSetting || name == kFetchAlias) std::from_chars(value.data(), value.data() + value.size(), fetch);
  return {Bytes{std::clamp(each - std::min(each, fetch), kLeast.count, kQueueMax.count)}, Bytes{fetch}};
}

penstock::kafka::Settings client_settings(const Config& config, std::size_t partitions) {
  const auto [queue, fetch] = read_ahead(config, partitions);
  auto settings = penstock::kafka::connection(config.brokers);
  settings.insert(settings.end(), {{"enable.auto.commit", "false"},
                                   {"auto.offset.reset", "error"},
                                   {"enable.partition.eof", "true"},
                                   {"queued.max.messages.kbytes", fmt::format("{}", queue.count / 1024)},
                                   {std::string(kFetchSetting), fmt::format("{}", fetch.count)},
                                   // Who writes in transactions is heard no sooner: their ends wake no broker that waits.
                                   {"fetch.wait.max.ms", "100"},
                                   {"check.crcs", "true"}});
  settings.insert(settings.end(), config.client.begin(), config.client.end());
  return settings;
}

penstock::kafka::Beginning beginning_of(const Config& config) { return read_beginning(config.from).value_or(Beginning{}); }

bool begins_where_group_stands(const Config& config) { return config.from == kStored; }

std::size_t partitions_at_once(const Config& config, std::size_t partitions) {
  const auto [queue, fetch] = read_ahead(config, partitions);
  return std::max<std::size_t>(1, config.memory.count / (queue.count + fetch.count));
}

}  // namespace penstock::sources::kafka
