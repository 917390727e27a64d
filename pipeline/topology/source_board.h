#pragma once
// Why sources cannot read what they are to read, as they say themselves: for `status`, its verdict and a metric.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "pipeline/telemetry/metrics.h"

namespace penstock::topology {

// Thread-safe. Outlives the sources.
class SourceBoard {
 public:
  explicit SourceBoard(telemetry::Metrics& metrics) : metrics_(metrics) {}

  // What one source is given to say it with: an empty text when it is over. In a group each share has its own.
  std::function<void(std::string)> place_for(const std::string& source, int share) {
    return [this, source, share](const std::string& trouble) { tell(source, share, trouble); };
  }
  // Empty: it reads, or does not tell.
  std::string trouble(const std::string& source) const {
    const std::lock_guard lock(mutex_);
    const auto first = troubles_.lower_bound({source, 0});
    return first == troubles_.end() || first->first.first != source ? std::string() : first->second;
  }

 private:
  void tell(const std::string& source, int share, const std::string& trouble) {
    const std::lock_guard lock(mutex_);
    if (trouble.empty()) troubles_.erase({source, share});
    else troubles_[{source, share}] = trouble;
    const auto first = troubles_.lower_bound({source, 0});
    metrics_
        .gauge("penstock_source_available", "0 while a source says that it cannot read all that it is to read.",
               {{"source", source}})
        .set(first == troubles_.end() || first->first.first != source ? 1 : 0);
  }

  telemetry::Metrics& metrics_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::string> troubles_;  // guarded by mutex_; by source and share
};

}  // namespace penstock::topology
