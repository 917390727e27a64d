#pragma once
// What one app counts and measures, between two publications. Outlives the app's Lua states, so that one thrown away keeps
// its counts. Bounded: 20 metrics, 5 labels, 100 combinations of label values for each metric; what comes beyond goes into
// one in which every value is "other". Belongs to the chain's thread.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

class AppMetrics {
 public:
  static constexpr std::size_t kMetricsMax = 20;
  static constexpr std::size_t kLabelsMax = 5;
  static constexpr std::size_t kSeriesMax = 100;
  static constexpr std::size_t kNameBytesMax = 64;
  static constexpr std::size_t kValueBytesMax = 64;

  enum class Kind : std::uint8_t { counter, gauge };
  struct Label {
    std::string_view name;
    std::string_view value;  // cut after 64 bytes, at a character
  };
  // Of a counter the increase since the last publication, of a gauge its value.
  struct Sample {
    Kind kind;
    const std::string& name;
    const std::vector<std::pair<std::string, std::string>>& labels;
    double value;
  };

  // `labels` in any order; sorts them. An error says which rule a name, a number or a label breaks.
  Result<void> record(Kind kind, std::string_view name, double value, std::span<Label> labels);

  // Hands over what changed since the last call.
  void publish(const std::function<void(const Sample&)>& take);
  // How many values went into "other".
  std::uint64_t overflows() const { return overflows_; }

 private:
  struct Series {
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
    bool changed = false;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  struct Metric {
    std::string name;
    Kind kind;
    std::unordered_map<std::string, Series, Hash, std::equal_to<>> series;
  };

  Result<Metric*> metric(Kind kind, std::string_view name);
  Series& series(Metric& metric, std::span<const Label> labels);
  void write_key(std::span<const Label> labels);

  std::vector<Metric> metrics_;
  std::uint64_t overflows_ = 0;
  std::string key_;
};

}  // namespace penstock::scripting
