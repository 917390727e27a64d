#pragma once
// Everything that is counted about one destination.

#include <string>

#include "pipeline/delivery/health.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::delivery {

// Handles only: copied freely, thread-safe. A default-made one counts nothing.
class DeliveryMetrics {
 public:
  DeliveryMetrics() = default;
  DeliveryMetrics(telemetry::Metrics& metrics, const std::string& destination);

  telemetry::Counter delivered;
  telemetry::Counter filtered;
  telemetry::Counter dead;
  telemetry::Counter skipped;  // lost to retention before they could be read
  telemetry::Counter batches;
  telemetry::Counter bytes;    // of the bodies delivered
  telemetry::Gauge in_flight;
  telemetry::Gauge lag_events;
  telemetry::Gauge blocked_keys;
  telemetry::Gauge lag_seconds;
  telemetry::Gauge asked_until;  // 0: it is not asked to wait
  telemetry::Histogram write_seconds;  // from submit to the answer
  telemetry::Histogram age_seconds;    // now − received_at, of each delivered event

  // Codes are the connector's own short, stable words. May register a metric at the first use of a code.
  void count_retry(const std::string& code, std::size_t events);
  void count_unavailable(const std::string& code);
  void count_dead_letter(const std::string& code);
  void set_health(Health health) const;

 private:
  telemetry::Metrics* metrics_ = nullptr;
  std::string destination_;
  std::array<telemetry::Gauge, kHealths.size()> health_;
};

}  // namespace penstock::delivery
