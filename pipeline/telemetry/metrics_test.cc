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

TEST_CASE("a value observed many times at once counts as when it is observed as often") {
  Metrics metrics;
  const std::vector<double> buckets{0.5, 1, 2};
  const auto one_by_one = metrics.histogram("penstock_test_one_seconds", "One by one.", {}, buckets);
  const auto at_once = metrics.histogram("penstock_test_once_seconds", "At once.", {}, buckets);
  for (const double value : {0.0, 0.5, 0.75, 1.0, 2.0, 2.5}) {
    for (int i = 0; i < 3; ++i) one_by_one.observe(value);
    at_once.observe(value, 3);
    at_once.observe(value, 0);
  }
  const auto text = metrics.render();
  const auto lines_of = [&](std::string name) {
    std::string lines;
    for (std::size_t at = 0; (at = text.find("\n" + name, at)) != std::string::npos; ++at)
      lines += text.substr(at + 1 + name.size(), text.find('\n', at + 1) - at - name.size());
    return lines;
  };
  CHECK(lines_of("penstock_test_one_seconds").contains("_bucket{le=\"1\"} 12\n"));
  CHECK_EQ(lines_of("penstock_test_one_seconds"), lines_of("penstock_test_once_seconds"));
}

TEST_CASE("a handle without metrics does nothing") {
  Counter().add();
  Gauge().set(1);
  Histogram().observe(1);
  Histogram().observe(1, 5);
}

}  // namespace penstock::telemetry
