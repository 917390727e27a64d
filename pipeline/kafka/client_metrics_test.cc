#include "pipeline/kafka/client_metrics.h"

#include <doctest/doctest.h>

using namespace penstock;

TEST_CASE("what waits in a client is shown, whichever way it goes") {
  telemetry::Metrics metrics;
  kafka::ClientMetrics writes(&metrics, {"destination", "out"});
  kafka::ClientMetrics reads(&metrics, {"source", "in"});
  writes.take(R"({"msg_cnt": 3, "msg_size": 300, "topics": {}})");
  reads.take(R"({"msg_cnt": 0, "msg_size": 0, "topics": {
    "a": {"partitions": {"0": {"fetchq_cnt": 5, "fetchq_size": 50}, "-1": {"fetchq_cnt": 0, "fetchq_size": 0}}},
    "b": {"partitions": {"7": {"fetchq_cnt": 2, "fetchq_size": 20}}}}})");
  const auto shown = metrics.render();
  CHECK(shown.contains("penstock_kafka_queue_messages{destination=\"out\"} 3"));
  CHECK(shown.contains("penstock_kafka_queue_bytes{destination=\"out\"} 300"));
  CHECK(shown.contains("penstock_kafka_queue_messages{source=\"in\"} 7"));
  CHECK(shown.contains("penstock_kafka_queue_bytes{source=\"in\"} 70"));
}
