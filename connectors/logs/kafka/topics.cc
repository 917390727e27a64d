#include "connectors/logs/kafka/topics.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

#include "pipeline/base/log.h"
#include "pipeline/kafka/pause.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::NewTopic;
using penstock::kafka::TopicAdmin;
using penstock::kafka::TopicInfo;
using penstock::kafka::TopicSettings;

constexpr Duration kVisibleWithin{20'000};
// The broker's clock is another, and a message takes a while.
constexpr Duration kTimeSlack{60'000};
constexpr Duration kBetweenLooks{50};
// What a broker takes by default; ours carry whole requests of pushed sources.
constexpr std::uint64_t kMessageMaxWanted = 2ULL << 20;

struct Wanted {
  NewTopic topic;
  bool whose_own = true;  // nobody else's
  bool compacted = false;
  std::optional<int> partitions;  // that it must have
  std::string_view said_by;  // the setting
};

NewTopic described(const Config& config, std::string name, int partitions, TopicSettings settings) {
  settings.emplace("max.message.bytes", fmt::format("{}", kMessageMaxCreated));
  return {std::move(name), partitions, config.replication.value_or(-1), std::move(settings)};
}

std::vector<Wanted> wanted_topics(const Config& config) {
  const int partitions = config.partitions.value_or(kPartitionsDefault);
  TopicSettings of_events{{"cleanup.policy", "delete"}};
  if (config.events_age > Duration(0)) of_events.emplace("retention.ms", fmt::format("{}", config.events_age.count()));
  if (config.events_bytes.count > 0) {
    const std::uint64_t each =
        std::max<std::uint64_t>(1, config.events_bytes.count / static_cast<std::uint64_t>(partitions));
    of_events.emplace("retention.bytes", fmt::format("{}", each));
  }
  // What ingest has not read must stay; Penstock itself removes the rest.
  const TopicSettings kept{{"cleanup.policy", "delete"}, {"retention.ms", "-1"}, {"retention.bytes", "-1"}};
  return {{described(config, config.captured_topic(), 1, kept), true, false, 1, {}},
          {described(config, config.events_topic(), partitions, std::move(of_events)), config.events.empty(), false,
           config.partitions, "partitions"},
          {described(config, config.state_topic(), config.shards, {{"cleanup.policy", "compact"}}), true, true,
           config.shards, "shards"}};
}

std::string_view setting(const TopicInfo& info, const std::string& name) {
  const auto found = info.settings.find(name);
  return found == info.settings.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string alter(const std::string& topic, std::string_view change) {
  return fmt::format("kafka-configs.sh --alter --topic {} --add-config {}", topic, change);
}

std::string creation(const NewTopic& topic) {
  std::string settings;
  for (const auto& [name, value] : topic.settings) settings += fmt::format(" --config {}={}", name, value);
  const std::string replicas = topic.replication > 0 ? fmt::format(" --replication-factor {}", topic.replication) : "";
  return fmt::format("kafka-topics.sh --create --topic {} --partitions {}{}{}", topic.name, topic.partitions, replicas,
                     settings);
}

Result<TopicInfo> create(TopicAdmin& admin, const NewTopic& topic, Duration patience, const std::stop_token& stop) {
  if (auto made = admin.create(topic, patience); !made) return fail(std::move(made).error().context("it cannot be created"));
  log_info("log", "created the topic {} with {} partitions", topic.name, topic.partitions);
  const auto deadline = std::chrono::steady_clock::now() + kVisibleWithin;
  for (;;) {
    TRY_ASSIGN(const auto info, admin.describe(topic.name, patience));
    if (info) return *info;
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::unavailable, fmt::format("topic '{}' was created, but brokers do not show it", topic.name));
    if (!penstock::kafka::pause(kBetweenLooks, stop)) return fail(ErrorKind::stopped, "stopped while topics were created");
  }
}

TimeWindow times_of(const TopicInfo& info) {
  const auto limit = [&](const std::string& name) -> std::optional<Duration> {
    const auto most = number(setting(info, "message.timestamp." + name));
    if (!most || *most > static_cast<std::uint64_t>(Duration::max().count())) return std::nullopt;
    return Duration(static_cast<Duration::rep>(*most));
  };
  // The older name is for both.
  const auto both = limit("difference.max.ms");
  const auto tighter = [&](std::optional<Duration> one) {
    return one && both ? std::optional(std::min(*one, *both)) : one ? one : both;
  };
  return {tighter(limit("before.max.ms")), tighter(limit("after.max.ms"))};
}

// What would lose or double something.
Result<void> check_needed(const Wanted& wanted, const TopicInfo& info) {
  const std::string& name = wanted.topic.name;
  if (wanted.partitions && info.partitions != *wanted.partitions) {
    return fail(ErrorKind::invalid,
                fmt::format("topic '{}' has {} partitions and {}", name, info.partitions,
                            wanted.said_by.empty() ? "must have one; choose another `prefix`"
                                                   : fmt::format("`{}` says {}; correct it, or choose another `prefix`",
                                                                 wanted.said_by, *wanted.partitions)));
  }
  const auto policy = setting(info, "cleanup.policy");
  if (wanted.compacted && !policy.empty() && policy != "compact") {
    return fail(ErrorKind::invalid, fmt::format("topic '{}' has cleanup.policy={}, so that state would be forgotten: {}",
                                                name, policy, alter(name, "cleanup.policy=compact")));
  }
  if (!wanted.compacted && policy.find("compact") != std::string_view::npos) {
    return fail(ErrorKind::invalid, fmt::format("topic '{}' has cleanup.policy={}, so that events would vanish: {}", name,
                                                policy, alter(name, "cleanup.policy=delete")));
  }
  return {};
}

// What will be regretted one day.
void advise(const Wanted& wanted, const TopicInfo& info) {
  const std::string& name = wanted.topic.name;
  if (info.replication == 1) log_warning("log", "topic {} has one replica: what is accepted is lost with its broker", name);
  if (info.replication > 1 && setting(info, "min.insync.replicas") == "1") {
    log_warning("log", "topic {} has min.insync.replicas=1: what is accepted may be on one broker only: {}", name,
                alter(name, "min.insync.replicas=2"));
  }
  if (const auto size = number(setting(info, "max.message.bytes")); size && *size < kMessageMaxWanted) {
    log_warning("log", "topic {} takes messages of {} bytes at most, and larger events stop the pipeline: {}", name, *size,
                alter(name, fmt::format("max.message.bytes={}", kMessageMaxCreated)));
  }
  const bool is_captured = wanted.whose_own && wanted.partitions == 1 && !wanted.compacted;
  if (const auto age = setting(info, "retention.ms"); is_captured && !age.empty() && age != "-1") {
    log_warning("log", "topic {} has retention.ms={}: what ingest has not read by then is lost: {}", name, age,
                alter(name, "retention.ms=-1,retention.bytes=-1"));
  }
}

}  // namespace

Timestamp TimeWindow::taken(Timestamp time, Timestamp now) const {
  const bool too_old = before && now.ms - time.ms > (*before - kTimeSlack).count();
  const bool too_young = after && time.ms - now.ms > (*after - kTimeSlack).count();
  return too_old || too_young ? Timestamp{} : time;
}

Result<Topics> prepare_topics(TopicAdmin& admin, const Config& config, Duration patience, const std::stop_token& stop) {
  Topics found;
  for (const Wanted& wanted : wanted_topics(config)) {
    const std::string& name = wanted.topic.name;
    TRY_ASSIGN(auto info, admin.describe(name, patience));
    if (!info && !config.create) {
      return fail(ErrorKind::not_found,
                  fmt::format("topic '{}' does not exist; set `create: true` under `log`, or create it: {}", name,
                              creation(wanted.topic)));
    }
    if (!info) {
      TRY_ASSIGN(info, create(admin, wanted.topic, patience, stop));
    }
    TRY(check_needed(wanted, *info));
    advise(wanted, *info);
    const auto message_max = number(setting(*info, "max.message.bytes")).value_or(kMessageMaxUnknown);
    if (name == config.captured_topic()) found.captured_max = message_max;
    if (name == config.state_topic()) {
      found.state_max = message_max;
      found.shards = info->partitions;
    }
    if (name != config.events_topic()) continue;
    found.partitions = info->partitions;
    found.events_max = message_max;
    found.times = times_of(*info);
  }
  return found;
}

}  // namespace penstock::logs::kafka
