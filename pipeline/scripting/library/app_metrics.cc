#include "pipeline/scripting/library/app_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace penstock::scripting {
namespace {

constexpr std::string_view kOther = "other";

// penstock_app_<name> and penstock_app_<name>_total that the pipeline itself publishes with the label `app`.
constexpr std::array<std::string_view, 14> kTaken{
    "events",      "skipped", "dropped",     "split",        "passed_by",       "errors",        "suspended",
    "suspensions", "info",    "nanoseconds", "memory_bytes", "label_overflows", "logs_left_out", "reloads"};

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !text.empty() && text.size() <= AppMetrics::kNameBytesMax && letter(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

std::string_view cut(std::string_view value) {
  if (value.size() <= AppMetrics::kValueBytesMax) return value;
  std::size_t size = AppMetrics::kValueBytesMax;
  while (size > 0 && (static_cast<unsigned char>(value[size]) & 0xC0) == 0x80) --size;
  return value.substr(0, size);
}

Result<void> check_labels(std::span<AppMetrics::Label> labels) {
  if (labels.size() > AppMetrics::kLabelsMax)
    return fail(ErrorKind::limit, fmt::format("{} labels; a metric may have {}", labels.size(), AppMetrics::kLabelsMax));
  for (AppMetrics::Label& label : labels) {
    if (!is_name(label.name))
      return fail(ErrorKind::invalid,
                  fmt::format("'{}' is no name for a label: a-z, then a-z, 0-9 and _, at most {} characters", label.name,
                              AppMetrics::kNameBytesMax));
    if (label.name == "app") return fail(ErrorKind::invalid, "the label 'app' is there already");
    label.value = cut(label.value);
  }
  std::ranges::sort(labels, {}, &AppMetrics::Label::name);
  return {};
}

}  // namespace

Result<AppMetrics::Metric*> AppMetrics::metric(Kind kind, std::string_view name) {
  const auto known = std::ranges::find(metrics_, name, &Metric::name);
  if (known != metrics_.end()) {
    if (known->kind == kind) return &*known;
    return fail(ErrorKind::invalid, fmt::format("'{}' is a {} already", name, kind == Kind::gauge ? "counter" : "gauge"));
  }
  if (!is_name(name))
    return fail(
        ErrorKind::invalid,
        fmt::format("'{}' is no name for a metric: a-z, then a-z, 0-9 and _, at most {} characters", name, kNameBytesMax));
  if (name.ends_with("_total"))
    return fail(ErrorKind::invalid, fmt::format("'{}': counters get their _total by themselves", name));
  if (std::ranges::find(kTaken, name) != kTaken.end())
    return fail(ErrorKind::invalid, fmt::format("'{}' is a metric that every app has; choose another name", name));
  if (metrics_.size() == kMetricsMax)
    return fail(ErrorKind::limit, fmt::format("'{}' would be metric {}; an app may have {}, so use a label for what varies",
                                              name, kMetricsMax + 1, kMetricsMax));
  return &metrics_.emplace_back(std::string(name), kind);
}

void AppMetrics::write_key(std::span<const Label> labels) {
  key_.clear();
  for (const Label& label : labels) {
    key_ += label.name;
    key_ += '=';
    key_ += fmt::format_int(label.value.size()).c_str();
    key_ += ':';
    key_ += label.value;
  }
}

AppMetrics::Series& AppMetrics::series(Metric& metric, std::span<const Label> labels) {
  write_key(labels);
  auto it = metric.series.find(key_);
  std::array<Label, kLabelsMax> others;
  if (it == metric.series.end() && metric.series.size() >= kSeriesMax) {
    ++overflows_;
    std::ranges::copy(labels, others.begin());
    for (Label& label : others) label.value = kOther;
    labels = std::span<const Label>(others).first(labels.size());
    write_key({});
    key_ = kOther;
    it = metric.series.find(key_);
  }
  if (it != metric.series.end()) return it->second;
  Series& made = metric.series.try_emplace(key_).first->second;
  for (const Label& label : labels) made.labels.emplace_back(label.name, label.value);
  return made;
}

Result<void> AppMetrics::record(Kind kind, std::string_view name, double value, std::span<Label> labels) {
  if (!std::isfinite(value)) return fail(ErrorKind::invalid, fmt::format("'{}': a finite number expected", name));
  if (kind == Kind::counter && value < 0) return fail(ErrorKind::invalid, fmt::format("'{}': a counter only grows", name));
  TRY(check_labels(labels));
  TRY_ASSIGN(Metric* const known, metric(kind, name));
  Series& to = series(*known, labels);
  to.value = kind == Kind::counter ? to.value + value : value;
  to.changed = true;
  return {};
}

void AppMetrics::publish(const std::function<void(const Sample&)>& take) {
  for (Metric& metric : metrics_) {
    for (auto& [key, series] : metric.series) {
      if (!series.changed) continue;
      take({metric.kind, metric.name, series.labels, series.value});
      series.changed = false;
      if (metric.kind == Kind::counter) series.value = 0;
    }
  }
}

}  // namespace penstock::scripting
