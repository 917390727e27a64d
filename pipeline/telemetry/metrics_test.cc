#include <doctest/doctest.h>

#include "pipeline/telemetry/metrics.h"

namespace penstock::telemetry {

TEST_CASE("what was counted is rendered, and asking twice counts in one place") {
  Metrics metrics;
  metrics.counter("penstock_test_events_total", "Events.", {{"source", "web"}}).add(2);
  metrics.counter("penstock_test_events_total", "Events.", {{"source", "web"}}).add(3);
  metrics.gauge("penstock_test_lag_events", "Lag.").set(7);
  const auto text = metrics.render();
  CHECK(text.find("penstock_test_events_total{source=\"web\"} 5") != std::string::npos);
  CHECK(text.find("penstock_test_lag_events 7") != std::string::npos);
}

TEST_CASE("a handle without metrics does nothing") {
  Counter().add();
  Gauge().set(1);
  Histogram().observe(1);
}

}  // namespace penstock::telemetry
