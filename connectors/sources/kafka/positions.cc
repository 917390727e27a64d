#include "connectors/sources/kafka/positions.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace penstock::sources::kafka {
namespace {

template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty() && text.front() != '-';
  return whole ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string known_topic(const std::string& topic) { return topic + '/'; }

std::set<std::string> topics_of(const std::vector<SourcePosition>& stored) {
  std::set<std::string> topics;
  for (const auto& each : stored) topics.insert(each.partition.substr(0, each.partition.rfind('/')));
  return topics;
}

Result<Offsets> read_positions(const std::vector<SourcePosition>& stored) {
  Offsets offsets;
  for (const auto& [source, name, position] : stored) {
    const auto slash = name.rfind('/');
    if (slash != std::string::npos && slash + 1 == name.size()) continue;
    const auto partition =
        slash == std::string::npos ? std::nullopt : read_number<int>(std::string_view(name).substr(slash + 1));
    const auto offset = read_number<std::uint64_t>(position);
    if (!partition || !offset) {
      return fail(ErrorKind::corrupt,
                  fmt::format("the stored position of '{}' is not one of a Kafka topic; was this source of "
                              "another type? Give it another name",
                              name));
    }
    offsets.emplace(penstock::kafka::TopicPartition{name.substr(0, slash), *partition}, *offset);
  }
  return offsets;
}

}  // namespace penstock::sources::kafka
