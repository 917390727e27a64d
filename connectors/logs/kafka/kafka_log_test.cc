// The log on a real broker: what every log promises, and what becomes of it when its writer is shut out. PENSTOCK_TEST_KAFKA is the
// broker's address: see tests/services/kafka.

#include "connectors/logs/kafka/kafka_log.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <random>

#include "connectors/logs/kafka/shard_takeover.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/kafka/transactions.h"
#include "tests/conformance/log_conformance.h"
#include "tests/conformance/sample_records.h"

namespace penstock::logs::kafka {
namespace {

using conformance::append_and_wait;
using conformance::in_order;
using conformance::read_all;
using conformance::read_by_offset;
using conformance::sample_record;
using penstock::kafka::Transactions;
using namespace std::chrono_literals;

Config config_for_test() {
  const char* broker = std::getenv("PENSTOCK_TEST_KAFKA");
  REQUIRE_MESSAGE(broker != nullptr, "PENSTOCK_TEST_KAFKA must be the address of a broker");
  Config config;
  config.brokers = {broker};
  config.prefix = fmt::format("log-{:08x}", std::random_device()());
  config.partitions = conformance::kPartitions;
  config.create = true;
  return config;
}

std::unique_ptr<KafkaLog> must_open(const Config& config) {
  auto opened = KafkaLog::open(config, {system_clock()});
  REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  return *std::move(opened);
}

class OnKafka final : public conformance::LogHarness {
 public:
  OnKafka() { reopen(); }
  Log& log() override { return *log_; }
  void reopen() override {
    log_.reset();
    log_ = must_open(config_);
  }
  bool counts_exactly() override { return false; }

 private:
  const Config config_ = config_for_test();
  std::unique_ptr<KafkaLog> log_;
};

}  // namespace

TEST_CASE("the log on Kafka keeps what every log promises") {
  conformance::log_conformance([] { return std::make_unique<OnKafka>(); });
}

TEST_CASE("a second process takes the log over, and the first writes nothing more") {
  const Config config = config_for_test();
  const auto first = must_open(config);
  REQUIRE(append_and_wait(*first, LogName::events, sample_record(0, 1)).has_value());
  const auto second = must_open(config);
  const auto refused = append_and_wait(*first, LogName::events, sample_record(0, 2));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::conflict);
  CHECK(first->failure().has_value());
  CHECK(append_and_wait(*second, LogName::events, sample_record(0, 3)).value().sequence == 1);
  CHECK_FALSE(second->failure().has_value());
  CHECK(in_order(read_by_offset(*second, LogName::events)) == std::vector<std::string>{R"(0 {"n":1})", R"(0 {"n":3})"});
}

TEST_CASE("who falls behind what is kept for all reads alone, and then with the others again") {
  const auto log = must_open(config_for_test());
  const auto reader = log->read(LogName::events, {}).value();
  const auto other = log->read(LogName::events, {}).value();
  const std::string padding(200'000, 'x');
  constexpr int kEvents = 90;  // twice as much as is kept
  for (int i = 0; i < kEvents; ++i) {
    LogRecord record;
    record.chunks.push_back(conformance::sample_chunk_of(i % 2, fmt::format(R"({{"n":{},"p":"{}"}})", i, padding)));
    REQUIRE(append_and_wait(*log, LogName::events, std::move(record)).has_value());
    if (i % 10 == 0) conformance::read_to_end(*other);
  }
  CHECK(in_order(conformance::read_to_end(*reader)).size() == kEvents);
  for (int i = 0; i < 5; ++i) {
    REQUIRE(append_and_wait(*log, LogName::events, sample_record(0, i)).has_value());
    CHECK(in_order(conformance::read_to_end(*reader)) == std::vector<std::string>{fmt::format(R"(0 {{"n":{}}})", i)});
  }
}

TEST_CASE("a record is found among others of every size") {
  const auto log = must_open(config_for_test());
  constexpr int kRecords = 300;
  for (int i = 0; i < kRecords;
       ++i) {  // most rows are of the last hundred: what is dense at the end lies far from the beginning
    LogRecord record = sample_record(i % 4, i);
    for (int row = 0; row < (i < 200 ? i % 3 : 150); ++row)
      record.state.push_back({.table = "t", .key = fmt::format("{}-{}", i, row), .value = "v", .expires_at = {}});
    REQUIRE(append_and_wait(*log, LogName::events, std::move(record)).has_value());
  }
  for (const std::uint64_t start : {1U, 2U, 100U, 150U, 199U, 200U, 201U, 299U, 300U}) {
    CAPTURE(start);
    const auto reader = log->read_from_sequence(LogName::events, start);
    REQUIRE(reader.has_value());
    const auto records = conformance::read_to_end(**reader);
    REQUIRE(records.size() == std::size_t{kRecords} - start);
    for (std::size_t i = 0; i < records.size(); ++i) {
      CHECK(records[i]->sequence == start + i);
      CHECK(records[i]->gone_before == 0);
    }
  }
}

TEST_CASE("facts that are in no header are read from the body, and what has none there is passed over") {
  Config config = config_for_test();
  config.facts = FactsForm::none;
  config.paths.event = "n";
  const auto log = must_open(config);
  REQUIRE(append_and_wait(*log, LogName::events, sample_record(1, 7)).has_value());
  // `n` is a number, and so no name: as if somebody else had written it.
  CHECK(in_order(read_by_offset(*log, LogName::events)).empty());
  LogRecord named;
  named.chunks.push_back(conformance::sample_chunk_of(1, R"({"n":"named"})"));
  REQUIRE(append_and_wait(*log, LogName::events, std::move(named)).has_value());
  CHECK(in_order(read_by_offset(*log, LogName::events)) == std::vector<std::string>{R"(1 {"n":"named"})"});
}

// Behind it stands what others have committed, and nobody can read that yet.
TEST_CASE("who takes a share over waits until what is open in the topic of events is decided") {
  const Config config = config_for_test();
  const auto log = must_open(config);
  REQUIRE(wait_for_undecided(config, log->partitions(), {}).has_value());
  Config other = config;
  other.instance = "other";
  auto open =
      Transactions::start(commit_settings(other, kMessageMaxUnknown, kMessageMaxUnknown), {"log", "test"}, nullptr).value();
  REQUIRE(open->take_over(Duration(10'000)).has_value());
  REQUIRE(open->begin().has_value());
  REQUIRE(open->send(open->topic(config.events_topic()), 1, "key", "{}", {}).has_value());
  auto settings = reader_settings(config);
  settings.emplace_back("isolation.level", "read_uncommitted");
  const auto reader = penstock::kafka::Consumer::start(settings, {"log", "test"}, nullptr).value();
  while (reader->bounds({config.events_topic(), 1}, Duration(10'000)).value().second == 0) {}
  std::stop_source stop;
  auto stopped =
      std::async(std::launch::async, [&] { return wait_for_undecided(config, log->partitions(), stop.get_token()); });
  auto waits = std::async(std::launch::async, [&] { return wait_for_undecided(config, log->partitions(), {}); });
  CHECK(waits.wait_for(500ms) == std::future_status::timeout);
  stop.request_stop();
  CHECK(stopped.get().error().kind == ErrorKind::stopped);
  REQUIRE(open->commit().has_value());
  CHECK(waits.get().has_value());
}

TEST_CASE("topics that are missing are told with the commands that make them") {
  Config config = config_for_test();
  config.create = false;
  const auto opened = KafkaLog::open(config, {system_clock()});
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::not_found);
  CHECK(opened.error().message.find("kafka-topics.sh --create --topic " + config.captured_topic()) != std::string::npos);
}

TEST_CASE("another number of partitions is refused") {
  Config config = config_for_test();
  must_open(config);
  config.partitions = conformance::kPartitions + 1;
  const auto opened = KafkaLog::open(config, {system_clock()});
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::invalid);
}

}  // namespace penstock::logs::kafka
