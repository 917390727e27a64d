#pragma once
// What intake and ingest count. The only place that names these metrics.

#include <string>
#include <string_view>

#include "pipeline/ingest/lag_watch.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::ingest {

// Per source.
struct SourceMetrics {
  SourceMetrics() = default;
  SourceMetrics(telemetry::Metrics& metrics, const std::string& source);

  telemetry::Counter received;         // records read or pushed
  telemetry::Counter received_bytes;
  telemetry::Counter kept;             // events committed to `events`; more than one when an app splits
  telemetry::Counter dropped;          // events an app dropped
  telemetry::Counter duplicates;       // events that had come before
  telemetry::Counter dead;             // dead letters, whatever the reason
  telemetry::Counter lone_surrogates;  // replaced by \ufffd
  telemetry::Counter duplicate_keys;   // top-level keys that came again; the last value stayed
  telemetry::Counter warnings;         // of a source: truncated files and the like
  telemetry::Counter losses;           // files, or ends of files, that were gone before they were read

  // What a pushed source turned away, by its own short code. May register a metric at the first use of a code.
  void count_refusal(std::string_view code) const;

 private:
  telemetry::Metrics* metrics_ = nullptr;
  std::string source_;
};

// What one poll or one record brought, added to the metrics when it is durable: an atomic per event and counter would cost a
// twentieth of ingest.
struct Tally {
  std::uint64_t received = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t kept = 0;
  std::uint64_t dropped = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t dead = 0;
  std::uint64_t lone_surrogates = 0;
  std::uint64_t duplicate_keys = 0;

  void add_to(const SourceMetrics& metrics) const {
    metrics.received.add(received);
    metrics.received_bytes.add(received_bytes);
    metrics.kept.add(kept);
    metrics.dropped.add(dropped);
    metrics.duplicates.add(duplicates);
    metrics.dead.add(dead);
    metrics.lone_surrogates.add(lone_surrogates);
    metrics.duplicate_keys.add(duplicate_keys);
  }
};

// Makes a lag visible as it is now.
void publish(const InputLag& lag, telemetry::Metrics& metrics);

// Per pipeline.
struct WorkerMetrics {
  WorkerMetrics() = default;
  explicit WorkerMetrics(telemetry::Metrics& metrics);

  telemetry::Counter commits;
  telemetry::Counter rewinds;  // a batch was given up (full disk, too much for one commit) and its input is read again
  telemetry::Histogram commit_seconds;  // from append to durable
  telemetry::Gauge dedup_covers;  // how far back every uuid is remembered, in seconds
};

}  // namespace penstock::ingest
