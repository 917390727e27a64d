#include "connectors/destinations/kafka/kafka_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/event/fact_template.h"

namespace penstock::destinations::kafka {
namespace {

using penstock::kafka::Owned;
using penstock::kafka::Settings;

constexpr std::string_view kTimeout = "set `timeout` instead";
constexpr std::string_view kCompression = "set `compression` instead";
constexpr std::string_view kAcks = "an event is delivered when all replicas in sync have it";
constexpr std::string_view kReports = "every event's fate has to be known";
constexpr std::string_view kQueue = "what waits in the client is bounded by `in_flight_max` and `batch`";
constexpr std::array kOwned{
    Owned{"enable.idempotence", "it is always on, so that the client's own retries neither double nor reorder"},
    Owned{"enable.gapless.guarantee", "an event that cannot be written must not stop the others"},
    Owned{"transactional.id", "this destination writes without transactions"},
    Owned{"acks", kAcks},
    Owned{"request.required.acks", kAcks},
    Owned{"message.timeout.ms", kTimeout},
    Owned{"delivery.timeout.ms", kTimeout},
    Owned{"compression.codec", kCompression},
    Owned{"compression.type", kCompression},
    Owned{"delivery.report.only.error", kReports},
    Owned{"queue.buffering.max.messages", kQueue},
    Owned{"queue.buffering.max.kbytes", kQueue},
};

// How long a message waits in the client for a topic that no broker knows. Delivery tries it again, and until then it holds up the
// messages for other topics that travel with it.
constexpr std::string_view kUnknownTopicWaits = "3000";  // ms
constexpr std::uint64_t kBatchBytes = 1'000'000;  // librdkafka's default
// What brokers take by default, which is more than librdkafka sends by default, and the most that it can send.
constexpr std::uint64_t kMessageBytes = 1'048'588;
constexpr std::uint64_t kMessageBytesMax = 1'000'000'000;
// What a batch has besides its records, and some more: the client counts a little otherwise than the broker.
constexpr std::uint64_t kBatchSlack = 256;
constexpr std::size_t kTopicNameMax = 249;

bool is_topic_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
}

bool is_set(const config::StringMap& settings, std::string_view name) {
  return std::ranges::any_of(settings, [&](const auto& each) { return each.first == name; });
}

void check_template(config::StructReader& reader, std::string_view field, const std::string& text) {
  const auto made = FactTemplate::parse(text);
  if (!made) reader.problem(field, made.error().message);
}

}  // namespace

void Config::check(config::StructReader& reader) const {
  penstock::kafka::check_brokers(reader, brokers);
  check_template(reader, "topic", topic);
  check_template(reader, "key", key);
  for (const auto& [name, value] : headers) {
    if (const auto made = FactTemplate::parse(value); !made) reader.problem_in("headers", name, made.error().message);
  }
  const auto name = FactTemplate::parse(topic);
  if (name && name->constant()) {
    const auto text = name->of({});
    if (!is_topic_name(text) || !std::ranges::all_of(text, is_topic_character)) {
      reader.problem("topic", "expected a topic's name: letters, digits, '.', '_' and '-', at most 249 of them");
    }
  }
  penstock::kafka::check_client(reader, "client", client, penstock::kafka::Role::producer, client_settings(*this, {}),
                                kOwned);
}

Settings client_settings(const Config& config, const TopicLimits& limits) {
  Settings settings = penstock::kafka::connection(config.brokers);
  settings.insert(settings.end(), {{"partitioner", "murmur2_random"},
                                   {"enable.idempotence", "true"},
                                   {"message.timeout.ms", fmt::format("{}", config.timeout.count())},
                                   {"topic.metadata.propagation.max.ms", std::string(kUnknownTopicWaits)},
                                   {"compression.codec", std::string(config::name_of(config.compression))},
                                   {"queue.buffering.max.messages", "10000000"},
                                   {"queue.buffering.max.kbytes", "2147483647"}});
  const auto limit = limits.batch_bytes_max.value_or(0);
  if (!is_set(config.client, "message.max.bytes")) {
    settings.emplace_back("message.max.bytes", fmt::format("{}", std::clamp(limit, kMessageBytes, kMessageBytesMax)));
  }
  if (limit > 0 && limit < kBatchBytes + kBatchSlack && !is_set(config.client, "batch.size")) {
    settings.emplace_back("batch.size", fmt::format("{}", limit > kBatchSlack ? limit - kBatchSlack : 1));
  }
  settings.insert(settings.end(), config.client.begin(), config.client.end());
  return settings;
}

Settings lone_client_settings(const Config& config, const TopicLimits& limits) {
  Settings settings = client_settings(config, limits);
  settings.emplace_back("batch.num.messages", "1");
  return settings;
}

bool depends_on_limits(const Config& config) {
  return !is_set(config.client, "message.max.bytes") || !is_set(config.client, "batch.size");
}

void make_topic_name(std::string& name) {
  std::ranges::replace_if(name, [](char c) { return !is_topic_character(c); }, '_');
}

bool is_topic_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= kTopicNameMax;
}

}  // namespace penstock::destinations::kafka
