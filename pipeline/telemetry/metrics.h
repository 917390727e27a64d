#pragma once
// Counters, gauges and histograms for Prometheus. Each stage declares all of its own in one struct (DeliveryMetrics,
// IngestMetrics, …) made from a Metrics; nothing else in the code names a metric.
//
// Names are penstock_<noun>_<unit>[_total]. No label comes from event content.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace penstock::telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Handles are copied freely, thread-safe, and valid as long as the Metrics they came from. A default-made one does
// nothing, so a unit under test needs no Metrics.
class Counter {
 public:
  Counter() = default;
  void add(std::uint64_t n = 1) const;
  // Not negative; fractions are counted too.
  void add_amount(double amount) const;

 private:
  friend class Metrics;
  explicit Counter(prometheus::Counter& metric) : metric_(&metric) {}
  prometheus::Counter* metric_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void set(double value) const;

 private:
  friend class Metrics;
  explicit Gauge(prometheus::Gauge& metric) : metric_(&metric) {}
  prometheus::Gauge* metric_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  void observe(double value) const;
  // The same value `times` times, for the price of one.
  void observe(double value, std::uint64_t times) const;

 private:
  friend class Metrics;
  Histogram(prometheus::Histogram& metric, const std::vector<double>& buckets) : metric_(&metric), buckets_(&buckets) {}
  prometheus::Histogram* metric_ = nullptr;
  const std::vector<double>* buckets_ = nullptr;
};

// Upper bounds in seconds from 1 ms to 5 min: for latencies and ages.
std::vector<double> latency_buckets();

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same name must always come with the same help; the same name and labels give the same metric again, so a
  // destination that is rebuilt by a reload goes on counting. Thread-safe.
  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram histogram(const std::string& name, const std::string& help, const Labels& labels,
                      const std::vector<double>& buckets);

  // The text exposition format 0.0.4.
  std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::telemetry
