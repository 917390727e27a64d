#include "pipeline/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

namespace penstock::telemetry {
namespace {

std::map<std::string, std::string> to_map(const Labels& labels) { return {labels.begin(), labels.end()}; }

}  // namespace

void Counter::add(std::uint64_t n) const {
  if (metric_ != nullptr && n != 0) metric_->Increment(static_cast<double>(n));
}

void Counter::add_amount(double amount) const {
  if (metric_ != nullptr) metric_->Increment(amount);
}

void Gauge::set(double value) const {
  if (metric_ != nullptr) metric_->Set(value);
}

void Histogram::observe(double value) const {
  if (metric_ != nullptr) metric_->Observe(value);
}

void Histogram::observe(double value, std::uint64_t times) const {
  if (metric_ == nullptr || times == 0) return;
  std::vector<double> increments(buckets_->size() + 1);
  const auto bucket = std::ranges::lower_bound(*buckets_, value) - buckets_->begin();
  increments[static_cast<std::size_t>(bucket)] = static_cast<double>(times);
  metric_->ObserveMultiple(increments, value * static_cast<double>(times));
}

std::vector<double> latency_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
}

struct Metrics::Impl {
  // Merge: asking again for a family gives the one there is.
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::mutex mutex;
  std::set<std::vector<double>> buckets;  // guarded by mutex; handles point at them
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return Counter(prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry).Add(to_map(labels)));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return Gauge(prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add(to_map(labels)));
}

Histogram Metrics::histogram(const std::string& name, const std::string& help, const Labels& labels,
                             const std::vector<double>& buckets) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  const std::lock_guard lock(impl_->mutex);
  return Histogram(family.Add(to_map(labels), buckets), *impl_->buckets.insert(buckets).first);
}

std::string Metrics::render() const { return prometheus::TextSerializer().Serialize(impl_->registry.Collect()); }

}  // namespace penstock::telemetry
