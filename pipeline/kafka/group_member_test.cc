#include "pipeline/kafka/group_member.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "pipeline/base/log.h"
#include "tests/fakes/mock_kafka.h"
#include "tests/fakes/stuck_log.h"

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;

constexpr auto kWithin = 60s;
constexpr int kPartitions = 4;
constexpr std::int16_t kHeartbeat = 12;
constexpr std::int16_t kJoinGroup = 11;

// What a member was told, and what it answers.
class Told {
 public:
  explicit Told(const fakes::MockKafka& kafka, const Settings& more = {}) {
    Settings settings = connection({kafka.address()});
    settings.insert(settings.end(), more.begin(), more.end());
    settings.emplace_back("group.id", "shares");
    settings.emplace_back("partition.assignment.strategy", "cooperative-sticky");
    settings.emplace_back("heartbeat.interval.ms", "100");
    settings.emplace_back("session.timeout.ms", "3000");  // the brokers of the test wait a second less in each rebalance
    settings.emplace_back("enable.auto.commit", "false");
    auto joined = GroupMember::join(settings, "state",
                                    {.gained = [this](const std::vector<Holding>& which) { gained(which); },
                                     .losing = [this](const std::vector<int>& which, bool lost) { losing(which, lost); }},
                                    nullptr);
    REQUIRE(joined);
    member = *std::move(joined);
  }
  ~Told() {
    hold(false);
    member->leave();
  }

  bool wait(const std::function<bool()>& until) {
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + kWithin;
    while (!until()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      changed.wait_for(lock, 10ms);
    }
    return true;
  }
  bool has(std::size_t count) {
    return wait([&] { return held.size() == count; });
  }
  std::vector<Holding> holdings() {
    const std::lock_guard lock(mutex);
    std::vector<Holding> all;
    for (const auto& [partition, term] : held) all.push_back({partition, term});
    return all;
  }
  // Whether losing() waits.
  void hold(bool on) {
    const std::lock_guard lock(mutex);
    holds = on;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::map<int, std::uint64_t> held;
  std::set<int> given_up;
  std::set<int> lost_without_notice;
  bool asked = false;
  bool holds = false;
  std::unique_ptr<GroupMember> member;

 private:
  void gained(const std::vector<Holding>& which) {
    const std::lock_guard lock(mutex);
    for (const auto& each : which) held[each.partition] = each.term;
    changed.notify_all();
  }
  void losing(const std::vector<int>& which, bool lost) {
    std::unique_lock lock(mutex);
    asked = true;
    changed.notify_all();
    changed.wait(lock, [&] { return !holds; });
    for (const int partition : which) {
      held.erase(partition);
      (lost ? lost_without_notice : given_up).insert(partition);
    }
    changed.notify_all();
  }
};

TEST_CASE("members divide the partitions, and who leaves gives them back") {
  fakes::MockKafka kafka;
  kafka.create("state", kPartitions);
  Told first(kafka);
  REQUIRE(first.has(kPartitions));
  const auto all = first.holdings();
  CHECK(first.member->membership(all));
  {
    Told second(kafka);
    REQUIRE(second.has(kPartitions / 2));
    REQUIRE(first.has(kPartitions / 2));
    CHECK(first.given_up.size() == kPartitions / 2);  // those that stay are not touched
    CHECK_FALSE(first.member->membership(all));
    CHECK(first.member->membership(first.holdings()));
    for (const auto& each : first.holdings()) CHECK(first.member->holds(each));
  }
  REQUIRE(first.has(kPartitions));
  CHECK(first.member->membership(first.holdings()));
  CHECK(first.lost_without_notice.empty());
}

// librdkafka joins anew with what it had then, and says nothing.
TEST_CASE("who is expelled while it gives something up has lost the rest too, and commits nothing for it") {
  fakes::MockKafka kafka;
  kafka.create("state", kPartitions);
  Told first(kafka);
  REQUIRE(first.has(kPartitions));
  const auto before = first.holdings();
  first.hold(true);
  Told second(kafka);
  REQUIRE(first.wait([&] { return first.asked; }));
  CHECK(first.member->membership(before));  // until it has let go
  kafka.fail_requests(kHeartbeat, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1);
  CHECK(first.wait([&] { return !first.member->membership(before); }));
  first.hold(false);
  REQUIRE(first.wait([&] { return first.lost_without_notice.size() == kPartitions / 2; }));
  for (const auto& each : before) CHECK_FALSE(first.member->holds(each));
  CHECK_FALSE(first.member->membership(before));
  // It is a member again, with other terms.
  REQUIRE(first.has(kPartitions / 2));
  CHECK(first.member->membership(first.holdings()));
}

// Its version 2.0.2 may look for an assignment without an end, for one.
TEST_CASE("what a member has, and what is wrong with it, is told while librdkafka does not answer") {
  fakes::MockKafka kafka;
  kafka.create("state", kPartitions);
  Told first(kafka, {{"debug", "cgrp"}});
  REQUIRE(first.has(kPartitions));
  const auto all = first.holdings();
  configure_log(LogLevel::debug, LogFormat::text);
  fakes::StuckLog log;  // it tells of its next heartbeat
  std::future<bool> asked;
  do asked = std::async(std::launch::async, [&] { return first.member->membership(all).has_value(); });
  while (asked.wait_for(200ms) == std::future_status::ready);
  auto told = std::async(std::launch::async, [&] {
    return first.member->holds(all.front()) && !first.member->failure() && first.member->trouble().empty();
  });
  CHECK(told.wait_for(5s) == std::future_status::ready);
  CHECK(asked.wait_for(0s) == std::future_status::timeout);
  log.release();
  configure_log(LogLevel::info, LogFormat::text);
  CHECK(told.get());
  asked.wait();
}

TEST_CASE("what brokers have against a member is told until it has something") {
  fakes::MockKafka kafka;
  kafka.create("state", kPartitions);
  kafka.fail_requests(kJoinGroup, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
  Told first(kafka);
  REQUIRE(first.wait([&] { return first.member->trouble().contains("authorization"); }));
  REQUIRE(first.has(kPartitions));
  CHECK(first.member->trouble().empty());
}

}  // namespace
}  // namespace penstock::kafka
