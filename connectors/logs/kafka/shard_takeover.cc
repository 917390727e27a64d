#include "connectors/logs/kafka/shard_takeover.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "connectors/logs/kafka/state_reader.h"
#include "pipeline/base/log.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/kafka/transactions.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Consumer;
using penstock::kafka::TopicPartition;
using penstock::kafka::Transactions;
using Clock = std::chrono::steady_clock;

constexpr Duration kAsk{300};
constexpr Duration kEndWithin{10'000};
constexpr std::chrono::milliseconds kBetweenLooks{50};
constexpr std::chrono::seconds kGiveUpAfter{30};

// With nothing to write: only to have the name.
void end_transaction_of(const Config& config, const Uuid& holder) {
  Config theirs = config;
  theirs.instance = holder.to_string();
  auto made =
      Transactions::start(commit_settings(theirs, kMessageMaxUnknown, kMessageMaxUnknown), {"log", "takeover"}, nullptr);
  auto ended = made ? (*made)->take_over(kEndWithin) : fail(made.error());
  if (!ended)
    log_warning("log", "what the process {} left open cannot be ended: {}", theirs.instance, ended.error().message);
}

void wait(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopping;
  std::unique_lock lock(mutex);
  stopping.wait_for(lock, stop, kBetweenLooks, [] { return false; });
}

}  // namespace

Result<Commit> settle_shard(const Config& config, int shard, const Uuid& self, const std::stop_token& stop) {
  const TopicPartition at{config.state_topic(), shard};
  TRY_ASSIGN(const auto of_group, Consumer::start(group_settings(config), {"log", "takeover"}, nullptr));
  auto settings = reader_settings(config);
  settings.emplace_back("fetch.wait.max.ms", "10");  // one look waits for what the look before it still asks for
  TRY_ASSIGN(const auto looker, Consumer::start(settings, {"log", "takeover"}, nullptr));
  const auto begun = Clock::now();
  for (Uuid ended; !stop.stop_requested();) {
    const auto committed = of_group->committed(at, kAsk);
    // Read after it: what was undecided until now is in it.
    const auto settled = newest_commit(*looker, at);
    if (committed && settled && settled->next_sequence >= committed->value_or(0)) return settled;
    if (!committed && settled && settled->holder != Uuid() && settled->holder != self && settled->holder != ended)
      end_transaction_of(config, ended = settled->holder);
    if (Clock::now() - begun > kGiveUpAfter) {
      if (!settled) return fail(settled.error());
      if (!committed) return fail(committed.error());
      return fail(ErrorKind::unavailable, fmt::format("partition {} of topic '{}' has less than the group '{}' knows of",
                                                      shard, at.topic, config.group()));
    }
    wait(stop);
  }
  return fail(ErrorKind::stopped, "stopped while taking over a share of the input");
}

Result<void> wait_for_undecided(const Config& config, int partitions, const std::stop_token& stop) {
  const std::string topic = config.events_topic();
  const auto count = static_cast<std::size_t>(partitions);
  auto settings = reader_settings(config);
  TRY_ASSIGN(const auto decided, Consumer::start(settings, {"log", "takeover"}, nullptr));
  settings.emplace_back("isolation.level", "read_uncommitted");
  TRY_ASSIGN(const auto written, Consumer::start(settings, {"log", "takeover"}, nullptr));
  TRY_ASSIGN(const auto ends, written->bounds_of_all(topic, count, kEndWithin));
  const auto begun = Clock::now();
  while (!stop.stop_requested()) {
    TRY_ASSIGN(const auto so_far, decided->bounds_of_all(topic, count, kEndWithin));
    const auto is_there = [](const auto& now, const auto& then) { return now.second >= then.second; };
    if (std::ranges::equal(so_far, ends, is_there)) return {};
    if (Clock::now() - begun > kGiveUpAfter) {
      log_warning(
          "log",
          "topic '{}': somebody's transaction has been open for {} s, and what was committed behind it cannot be read "
          "yet: what a client sends again of it is stored twice",
          topic, kGiveUpAfter.count());
      return {};
    }
    wait(stop);
  }
  return fail(ErrorKind::stopped, "stopped while taking over a share of the input");
}

}  // namespace penstock::logs::kafka
