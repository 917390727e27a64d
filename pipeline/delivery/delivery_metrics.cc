#include "pipeline/delivery/delivery_metrics.h"

namespace penstock::delivery {
namespace {

constexpr auto kEvents = "penstock_delivery_events_total";
constexpr auto kEventsHelp = "Events settled at a destination, by what became of them.";

}  // namespace

DeliveryMetrics::DeliveryMetrics(telemetry::Metrics& metrics, const std::string& destination)
    : metrics_(&metrics), destination_(destination) {
  const telemetry::Labels labels{{"destination", destination}};
  const auto outcome = [&](const char* word) -> telemetry::Labels {
    return {{"destination", destination}, {"outcome", word}};
  };
  delivered = metrics.counter(kEvents, kEventsHelp, outcome("delivered"));
  filtered = metrics.counter(kEvents, kEventsHelp, outcome("filtered"));
  dead = metrics.counter(kEvents, kEventsHelp, outcome("dead"));
  skipped = metrics.counter("penstock_delivery_skipped_total",
                            "Events that retention removed before the destination had read them.", labels);
  batches = metrics.counter("penstock_delivery_batches_total", "Writes answered by the destination.", labels);
  bytes = metrics.counter("penstock_delivery_bytes_total", "Bytes of the bodies delivered.", labels);
  in_flight = metrics.gauge("penstock_delivery_in_flight", "Writes under way.", labels);
  blocked_keys = metrics.gauge("penstock_delivery_blocked_keys",
                               "Distinct ids that a dead letter holds up, with `on_dead: block`.", labels);
  lag_events = metrics.gauge("penstock_delivery_lag_events", "Events between the cursor and the end of the log.", labels);
  lag_seconds = metrics.gauge("penstock_delivery_lag_seconds", "Age of the oldest event that is not settled.", labels);
  asked_until = metrics.gauge(
      "penstock_delivery_asked_until_timestamp_seconds",
      "Until when the receiver has asked, by Retry-After, not to be written to, an hour ahead at most; 0: it has not.",
      labels);
  write_seconds = metrics.histogram("penstock_delivery_write_seconds", "From handing over a batch to its answer.", labels,
                                    telemetry::latency_buckets());
  age_seconds =
      metrics.histogram("penstock_delivery_age_seconds", "From receiving an event to its delivery at the destination.",
                        labels, telemetry::latency_buckets());
  for (std::size_t i = 0; i < kHealths.size(); ++i) {
    health_[i] = metrics.gauge("penstock_delivery_health", "1 for the state that the destination is in.",
                               {{"destination", destination}, {"state", std::string(to_string(kHealths[i]))}});
  }
}

void DeliveryMetrics::count_retry(const std::string& code, std::size_t events) {
  if (metrics_ == nullptr) return;
  metrics_
      ->counter("penstock_delivery_retries_total", "Events put off because the destination failed them for their own sake.",
                {{"destination", destination_}, {"code", code}})
      .add(events);
}

void DeliveryMetrics::count_unavailable(const std::string& code) {
  if (metrics_ == nullptr) return;
  metrics_
      ->counter("penstock_delivery_unavailable_total", "Writes that found the destination unavailable.",
                {{"destination", destination_}, {"code", code}})
      .add();
}

void DeliveryMetrics::count_dead_letter(const std::string& code) {
  if (metrics_ == nullptr) return;
  metrics_
      ->counter("penstock_delivery_dead_letters_total",
                "Events that became dead letters of the destination, by what it said.",
                {{"destination", destination_}, {"code", code}})
      .add();
}

void DeliveryMetrics::set_health(Health health) const {
  for (std::size_t i = 0; i < kHealths.size(); ++i) health_[i].set(kHealths[i] == health ? 1 : 0);
}

}  // namespace penstock::delivery
