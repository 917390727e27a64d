#pragma once
// What librdkafka counts about itself, for Prometheus: its queue, and each broker.

#include <map>
#include <string>
#include <string_view>

#include "pipeline/telemetry/metrics.h"

namespace penstock::kafka {

// Thread-compatible: librdkafka tells its statistics on one thread.
class ClientMetrics {
 public:
  // Without `metrics` it does nothing. `owner` is the label that says whose client it is: {"destination", "out"}.
  ClientMetrics(telemetry::Metrics* metrics, telemetry::Labels::value_type owner);
  // The client is gone: nothing waits in it, and no broker is connected to it.
  ~ClientMetrics();
  ClientMetrics(const ClientMetrics&) = delete;
  ClientMetrics& operator=(const ClientMetrics&) = delete;

  // The JSON of one interval, as in librdkafka's STATISTICS.md. What cannot be read changes nothing.
  void take(std::string_view json);

 private:
  struct Broker {
    telemetry::Gauge up;
    telemetry::Gauge round_trip_seconds;
    telemetry::Gauge requests;
    telemetry::Gauge throttle_seconds;
  };
  Broker& broker(const std::string& address);

  telemetry::Metrics* const metrics_;
  const telemetry::Labels::value_type owner_;
  telemetry::Gauge messages_;
  telemetry::Gauge bytes_;
  std::map<std::string, Broker> brokers_;
};

}  // namespace penstock::kafka
