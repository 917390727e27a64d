#include "connectors/logs/kafka/foreign_messages.h"

#include <fmt/format.h>

#include "pipeline/base/log.h"

namespace penstock::logs::kafka {
namespace {
constexpr std::chrono::seconds kBetweenTellings{10};
}

ForeignMessages::ForeignMessages(int partitions, telemetry::Metrics* metrics)
    : total_(metrics == nullptr
                 ? telemetry::Counter()
                 : metrics->counter("penstock_kafka_foreign_messages_total",
                                    "Messages in the log's topic of events that are no events, passed over.")),
      seen_(static_cast<std::size_t>(partitions), 0) {}

bool ForeignMessages::note(std::size_t partition, std::uint64_t offset, std::string_view why) {
  const std::lock_guard lock(mutex_);
  if (offset < seen_[partition]) return false;
  seen_[partition] = offset + 1;
  total_.add();
  ++untold_;
  const auto now = std::chrono::steady_clock::now();
  if (told_at_ != std::chrono::steady_clock::time_point() && now < told_at_ + kBetweenTellings) return false;
  told_at_ = now;
  const auto others = untold_ > 1 ? fmt::format(" (and {} before it)", untold_ - 1) : "";
  untold_ = 0;
  log_warning("log", "{}{}; it is passed over", why, others);
  return true;
}

}  // namespace penstock::logs::kafka
