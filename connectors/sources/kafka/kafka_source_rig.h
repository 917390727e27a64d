#pragma once
// What the tests of the source share: one on loopback brokers, read until there is nothing more.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sources/kafka/kafka_source.h"
#include "tests/fakes/mock_kafka.h"

namespace penstock::sources::kafka {

using fakes::MockKafka;

inline HttpClient& no_http() {
  struct NoHttp final : HttpClient {
    void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
  };
  static NoHttp http;
  return http;
}

inline Config of(const MockKafka& kafka, std::vector<std::string> topics = {"orders"}) {
  return {.brokers = {kafka.address()},
          .topics = std::move(topics),
          .refresh = Duration(100),
          .client = {{"fetch.wait.max.ms", "10"}}};
}

inline std::unique_ptr<KafkaSource> make(Config config) {
  return std::make_unique<KafkaSource>(std::move(config), ConnectorContext{"in", ".", system_clock(), no_http()});
}

// A source that says idle only when everything there is was given: what comes takes a moment.
class Patient final : public PolledSource {
 public:
  explicit Patient(std::unique_ptr<KafkaSource> source) : source_(std::move(source)) {}
  Result<void> open(const std::vector<SourcePosition>& stored) override { return source_->open(stored); }
  void close() override { source_->close(); }
  Result<PollState> poll(RawBatch& out, std::size_t bytes_max) override {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (;;) {
      auto state = source_->poll(out, bytes_max);
      if (!state || *state == PollState::more || source_->caught_up() || !out.warnings.empty()) return state;
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // polls the condition
    }
  }
  KafkaSource& source() { return *source_; }

 private:
  std::unique_ptr<KafkaSource> source_;
};

struct Given {
  std::vector<std::string> bodies;
  std::vector<std::string> refused;
  std::vector<SourcePosition> positions;
  std::vector<SourceWarning> warnings;
  std::set<std::string> origins;  // of batches with records
};

// Until it has nothing more, or (`warnings`) until it has warned.
inline Given read_all(Patient& source, std::vector<SourcePosition> positions = {}, bool until_warned = false) {
  Given given;
  given.positions = std::move(positions);
  for (;;) {
    RawBatch batch;
    const auto state = source.poll(batch, 1 << 20);
    REQUIRE(state.has_value());
    for (const auto& record : batch.records) {
      (record.refused.empty() ? given.bodies : given.refused).emplace_back(record.body);
    }
    if (!batch.records.empty()) given.origins.insert(batch.origin);
    std::ranges::copy(batch.warnings, std::back_inserter(given.warnings));
    if (!batch.position.empty()) {
      std::erase_if(given.positions, [&](const auto& each) { return each.partition == batch.partition; });
      given.positions.push_back({"in", batch.partition, batch.position});
    }
    if (until_warned ? !given.warnings.empty() : *state == PollState::idle && source.source().caught_up()) return given;
  }
}

inline Given read_all(Config config, const std::vector<SourcePosition>& stored = {}, bool until_warned = false) {
  Patient source(make(std::move(config)));
  REQUIRE(source.open(stored).has_value());
  return read_all(source, stored, until_warned);
}

inline std::vector<MockKafka::Written> values(const std::vector<std::string>& bodies) {
  std::vector<MockKafka::Written> written;
  for (const auto& body : bodies) written.push_back({std::nullopt, body});
  return written;
}

}  // namespace penstock::sources::kafka
