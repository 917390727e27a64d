#include "connectors/logs/kafka/kafka_log_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Owned;
using penstock::kafka::Role;
using penstock::kafka::Settings;

constexpr std::string_view kOnce = "events are written exactly once";
constexpr std::string_view kDurable = "what is accepted is on all replicas in sync";
constexpr std::string_view kOffsets = "positions are part of the log's own commits";
constexpr std::string_view kCommitted = "only what is committed may be read";
constexpr std::array kOwned{
    Owned{"transactional.id", "it is made of `prefix`"},
    Owned{"transaction.timeout.ms", "an open transaction holds up every reader of the topic"},
    Owned{"enable.idempotence", kOnce},
    Owned{"enable.gapless.guarantee", kOnce},
    Owned{"acks", kDurable},
    Owned{"request.required.acks", kDurable},
    Owned{"delivery.report.only.error", "the commit is the report"},
    Owned{"message.max.bytes", "it follows from max.message.bytes of the topics"},
    Owned{"queue.buffering.max.messages", "what waits is bounded by `ingest.commit_bytes` and `pending_max`"},
    Owned{"queue.buffering.max.kbytes", "what waits is bounded by `ingest.commit_bytes` and `pending_max`"},
    Owned{"isolation.level", kCommitted},
    Owned{"group.id", kOffsets},
    Owned{"group.instance.id", kOffsets},
    Owned{"partition.assignment.strategy", "processes share the log cooperatively"},
    Owned{"enable.auto.commit", kOffsets},
    Owned{"enable.auto.offset.store", kOffsets},
    Owned{"auto.offset.reset", "what is gone is never passed over without a word"},
    Owned{"enable.partition.eof", "it tells where a partition ends"},
};

// An open transaction hides all that comes after it; nothing but the brokers is waited for in one.
constexpr Duration kCaptureTimeout{15'000};
// What librdkafka can be told, and the batches that it makes by itself; a batch has some bytes besides its records.
constexpr std::uint64_t kMessageLeast = 1000;
constexpr std::uint64_t kMessageMost = 1'000'000'000;
constexpr std::uint64_t kBatchBytes = 1'000'000;
constexpr std::uint64_t kBatchSlack = 256;
// How long a process may be silent before others take over what it has; and how soon each hears that partitions move.
constexpr Duration kSessionTimeout{10'000};
constexpr Duration kHeartbeat{500};
constexpr Duration kFetchWait{50};
constexpr Bytes kReadAhead = 8_MiB;  // of one reader, all partitions together

Settings with(Settings settings, const Config& config, Role role) {
  for (const auto& each : config.client) {
    if (penstock::kafka::is_for(each.first, role)) settings.push_back(each);
  }
  return settings;
}

Settings producer(const Config& config, std::uint64_t message_max, std::uint64_t batch_max) {
  Settings settings = penstock::kafka::connection(config.brokers);
  settings.emplace_back("enable.idempotence", "true");
  settings.emplace_back("message.max.bytes", fmt::format("{}", std::clamp(message_max, kMessageLeast, kMessageMost)));
  if (batch_max < kBatchBytes + kBatchSlack)
    settings.emplace_back("batch.size", fmt::format("{}", batch_max > kBatchSlack ? batch_max - kBatchSlack : 1));
  settings.emplace_back("queue.buffering.max.messages", "10000000");
  settings.emplace_back("queue.buffering.max.kbytes", "2147483647");
  return settings;
}

// A process that was killed goes on under the same, and so ends what it had left open.
std::string transactional_id(const Config& config) {
  return fmt::format("{}-{}", config.prefix.empty() ? "penstock" : config.prefix,
                     config.instance.empty() ? "0" : config.instance);
}

bool is_topic(std::string_view name) {
  constexpr std::size_t kLongest = 249;
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

void check(const Config& config, config::StructReader& reader) {
  penstock::kafka::check_brokers(reader, config.brokers);
  constexpr std::string_view kName = "letters, digits, '.', '_' and '-', at most 249 of them";
  if (config.prefix.empty()) {
    reader.problem("prefix", "expected the beginning of the names of the log's topics, such as `shop`");
  } else if (!is_topic(config.captured_topic())) {
    reader.problem("prefix", fmt::format("expected the beginning of topics' names: {}", kName));
  }
  if (!is_topic(config.events_topic())) reader.problem("events", fmt::format("expected a topic's name: {}", kName));
  if (config.events == config.captured_topic() || config.events == config.state_topic())
    reader.problem("events", "that is a topic of the log's own");
  Settings producers;
  Settings consumers;
  for (const auto& each : config.client)
    (penstock::kafka::is_for(each.first, Role::producer) || !penstock::kafka::is_for(each.first, Role::consumer) ? producers
                                                                                                                 : consumers)
        .push_back(each);
  check_client(reader, "client", producers, Role::producer, commit_settings({}, kMessageMaxUnknown, kMessageMaxUnknown),
               kOwned);
  check_client(reader, "client", consumers, Role::consumer, reader_settings({}), kOwned);
}

Settings commit_settings(const Config& config, std::uint64_t events_max, std::uint64_t state_max,
                         Duration transaction_timeout) {
  Settings settings = producer(config, std::max(events_max, state_max), std::min(events_max, state_max));
  settings.emplace_back("transactional.id", transactional_id(config));
  settings.emplace_back("transaction.timeout.ms", fmt::format("{}", transaction_timeout.count()));
  settings.emplace_back("delivery.report.only.error", "true");
  return with(std::move(settings), config, Role::producer);
}

Settings capture_settings(const Config& config, std::uint64_t captured_max) {
  Settings settings = producer(config, captured_max, captured_max);
  settings.emplace_back("message.timeout.ms", fmt::format("{}", kCaptureTimeout.count()));
  settings.emplace_back("linger.ms", "1");
  return with(std::move(settings), config, Role::producer);
}

Settings reader_settings(const Config& config) {
  Settings settings = penstock::kafka::connection(config.brokers);
  settings.emplace_back("enable.auto.commit", "false");
  settings.emplace_back("auto.offset.reset", "error");
  settings.emplace_back("enable.partition.eof", "true");
  settings.emplace_back("isolation.level", "read_committed");
  settings.emplace_back("check.crcs", "true");
  settings.emplace_back("queued.max.messages.kbytes", fmt::format("{}", kReadAhead.count / 1024));
  // A broker that waits for something to send is not woken by the end of a transaction: it waits for all of this time.
  settings.emplace_back("fetch.wait.max.ms", fmt::format("{}", kFetchWait.count()));
  return with(std::move(settings), config, Role::consumer);
}

Settings member_settings(const Config& config) {
  Settings settings{{"session.timeout.ms", fmt::format("{}", kSessionTimeout.count())},
                    {"heartbeat.interval.ms", fmt::format("{}", kHeartbeat.count())}};
  for (auto& each : group_settings(config)) settings.push_back(std::move(each));
  settings.emplace_back("partition.assignment.strategy", "cooperative-sticky");
  return settings;
}

Settings group_settings(const Config& config) {
  Settings settings = reader_settings(config);
  settings.emplace_back("group.id", config.group());
  return settings;
}

Settings admin_settings(const Config& config) {
  return with(penstock::kafka::connection(config.brokers), config, Role::producer);
}

}  // namespace penstock::logs::kafka
