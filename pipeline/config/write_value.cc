#include <utility>

#include <fmt/format.h>

#include "pipeline/config/read_value.h"

namespace penstock::config {
namespace {

Node scalar(std::string text, bool quoted) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.quoted = quoted;
  return node;
}

}  // namespace

Node write_value(bool value) { return scalar(value ? "true" : "false", false); }
Node write_value(double value) { return scalar(fmt::format("{}", value), false); }
Node write_value(const std::string& value) { return scalar(value, true); }
Node write_value(Bytes value) { return scalar(to_string(value), false); }
Node write_integer(std::int64_t value) { return scalar(fmt::format("{}", value), false); }
Node write_integer(std::uint64_t value) { return scalar(fmt::format("{}", value), false); }

Node write_value(Duration value) {
  static constexpr std::pair<std::int64_t, const char*> kUnits[] = {
      {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}};
  const std::int64_t ms = value.count();
  if (ms == 0) return scalar("0s", false);
  for (const auto& [size, unit] : kUnits)
    if (ms % size == 0) return scalar(fmt::format("{}{}", ms / size, unit), false);
  return scalar(fmt::format("{}ms", ms), false);
}

Node write_value(Rate value) {
  static constexpr std::pair<double, const char*> kUnits[] = {{1, "s"}, {60, "m"}, {3600, "h"}, {86'400, "d"}};
  for (const auto& [seconds, unit] : kUnits) {
    const double count = value.per_second * seconds;
    if (count == static_cast<double>(static_cast<std::int64_t>(count)))
      return scalar(fmt::format("{:.0f}/{}", count, unit), false);
  }
  return scalar(fmt::format("{}/s", value.per_second), false);
}

Node write_value(const Secret& value) {
  if (value.empty()) return {};
  Node node = scalar("***", true);
  node.secret = true;
  return node;
}

Node write_value(const Url& value) {
  if (value.text().empty()) return {};
  Node node = scalar(value.text(), true);
  node.secret = value.text().contains('@');
  return node;
}

Node write_value(const ListenAddress& value) {
  const bool v6 = value.host.contains(':');
  return scalar(fmt::format("{}{}{}:{}", v6 ? "[" : "", value.host, v6 ? "]" : "", value.port), true);
}

Node write_value(const StringMap& value) {
  Node map;
  map.kind = Node::Kind::map;
  for (const auto& [key, text] : value) map.entries.push_back({key, {}, scalar(text, true)});
  return map;
}

Node write_value(const Node& value) { return value; }

Node write_name(std::string_view name) { return name.empty() ? Node{} : scalar(std::string(name), false); }

}  // namespace penstock::config
