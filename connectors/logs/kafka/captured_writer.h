#pragma once
// Writes `captured`: each record is one message, on its way at once and answered when all replicas in sync have it. One that fails is
// `unavailable`; it may have been written all the same, if its answer was lost. After an error of the client a new one is begun once
// the last record of the old one was answered.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "connectors/logs/kafka/reach.h"
#include "pipeline/base/clock.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/kafka/producer.h"
#include "pipeline/log/record_format.h"
#include "pipeline/ports/log.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::logs::kafka {

class CapturedWriter {
 public:
  struct Around {
    const Config& config;
    int partitions = 0;
    std::uint64_t message_max = 0;
    penstock::kafka::Consumer& looker;  // any thread may ask it for bounds
    Reach& reach;
    const Clock& clock;
    telemetry::Metrics* metrics = nullptr;
  };

  // Looks at what there is. References outlive the writer. unavailable: no broker answers.
  static Result<std::unique_ptr<CapturedWriter>> open(const Around& around);
  // Nothing is under way any more.
  ~CapturedWriter();

  // Thread-safe, returns at once. `done` is called from the client's thread, or from the caller's when nothing was sent.
  void append(LogRecord record, AppendDone done);
  std::size_t pending_bytes() const { return pending_bytes_; }
  // Partitions of `events` were added, and some of what is there was written before.
  bool has_grown() const { return grown_; }
  // Waits for what is under way, then refuses further appends. Thread-safe, may be called again.
  void close();

 private:
  struct Sent;
  explicit CapturedWriter(const Around& around);
  Result<void> look();
  Result<void> start();
  std::unique_ptr<Sent> give_to_client(std::unique_ptr<Sent> sent, log_format::PreparedRecord& record);
  void on_reports(std::span<const penstock::kafka::Report> reports);
  void answer(Sent& sent, const penstock::kafka::Report& report);

  const Around around_;
  const std::string topic_;
  bool grown_ = false;  // from open on
  std::atomic<std::size_t> pending_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable answered_;  // with mutex_
  // Guarded by mutex_.
  std::unique_ptr<penstock::kafka::Producer> producer_;
  Offsets next_;  // events of each partition, with all that was sent
  std::size_t under_way_ = 0;
  bool closed_ = false;
};

}  // namespace penstock::logs::kafka
