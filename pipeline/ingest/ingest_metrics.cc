#include "pipeline/ingest/ingest_metrics.h"

namespace penstock::ingest {
namespace {

telemetry::Counter outcome(telemetry::Metrics& metrics, const std::string& source, const std::string& name) {
  return metrics.counter("penstock_ingest_events_total", "Events by what ingest made of them.",
                         {{"source", source}, {"outcome", name}});
}

}  // namespace

SourceMetrics::SourceMetrics(telemetry::Metrics& metrics, const std::string& source)
    : received(metrics.counter("penstock_source_records_total", "Records read from or pushed by a source.",
                               {{"source", source}})),
      received_bytes(metrics.counter("penstock_source_bytes_total", "Bytes of these records.", {{"source", source}})),
      kept(outcome(metrics, source, "kept")), dropped(outcome(metrics, source, "dropped")),
      duplicates(outcome(metrics, source, "duplicate")), dead(outcome(metrics, source, "dead")),
      lone_surrogates(metrics.counter("penstock_ingest_surrogates_replaced_total",
                                      "Lone surrogate escapes replaced by U+FFFD.", {{"source", source}})),
      duplicate_keys(metrics.counter("penstock_ingest_duplicate_keys_total",
                                     "Top-level keys that came again in a body; the last value stayed.",
                                     {{"source", source}})),
      warnings(metrics.counter("penstock_source_warnings_total", "Things a source had to tell: truncated or odd files.",
                               {{"source", source}})),
      losses(metrics.counter("penstock_source_losses_total",
                             "Files, or the ends of files, that were gone before they were read.", {{"source", source}})),
      metrics_(&metrics), source_(source) {}

void SourceMetrics::count_refusal(std::string_view code) const {
  if (metrics_ == nullptr) return;
  metrics_
      ->counter("penstock_source_refused_total", "Requests that a source turned away, by the status of the answer.",
                {{"source", source_}, {"code", std::string(code)}})
      .add();
}

void publish(const InputLag& lag, telemetry::Metrics& metrics) {
  const telemetry::Labels labels{{"input", lag.input}};
  if (lag.events) {
    metrics.gauge("penstock_ingest_lag_events", "Events of the log captured that ingest has not read yet.", labels)
        .set(static_cast<double>(*lag.events));
  }
  if (lag.bytes) {
    metrics.gauge("penstock_ingest_lag_bytes", "Bytes that a polled source has and ingest has not read yet.", labels)
        .set(static_cast<double>(*lag.bytes));
  }
  metrics.gauge("penstock_ingest_lag_seconds", "What an input has waiting has waited no longer than this.", labels)
      .set(std::chrono::duration<double>(lag.age).count());
}

WorkerMetrics::WorkerMetrics(telemetry::Metrics& metrics)
    : commits(metrics.counter("penstock_ingest_commits_total", "Commit records appended to the log of events.")),
      rewinds(metrics.counter("penstock_ingest_rewinds_total",
                              "Batches that were given up, after which their input was read again.")),
      commit_seconds(metrics.histogram("penstock_ingest_commit_seconds", "Time from appending a commit to durable.", {},
                                       telemetry::latency_buckets())),
      dedup_covers(metrics.gauge("penstock_ingest_dedup_covered_seconds",
                                 "How far back ingest remembers the uuid of every event that was pushed.")) {}

}  // namespace penstock::ingest
