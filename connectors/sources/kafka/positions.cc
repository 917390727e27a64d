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

std::optional<Position> read_position(std::string_view text) {
  Position position;
  if (const auto mark = text.find('#'); mark != std::string_view::npos) {
    const auto generation = read_number<std::uint64_t>(text.substr(mark + 1));
    if (!generation) return std::nullopt;
    position.generation = *generation;
    text = text.substr(0, mark);
  }
  if (const auto mark = text.find('@'); mark != std::string_view::npos) {
    position.before = read_number<std::int64_t>(text.substr(mark + 1));
    if (!position.before) return std::nullopt;
    text = text.substr(0, mark);
  }
  const auto offset = read_number<std::uint64_t>(text);
  if (!offset) return std::nullopt;
  position.offset = *offset;
  return position;
}

}  // namespace

std::string to_text(const Position& position) {
  std::string text = std::to_string(position.offset);
  if (position.before) text += fmt::format("@{}", *position.before);
  if (position.generation > 0) text += fmt::format("#{}", position.generation);
  return text;
}

std::string known_topic(const std::string& topic) { return topic + '/'; }

std::set<std::string> topics_of(const std::vector<SourcePosition>& stored) {
  std::set<std::string> topics;
  for (const auto& each : stored) topics.insert(each.partition.substr(0, each.partition.rfind('/')));
  return topics;
}

Result<Positions> read_positions(const std::vector<SourcePosition>& stored) {
  Positions positions;
  for (const auto& [source, name, position] : stored) {
    const auto slash = name.rfind('/');
    if (slash != std::string::npos && slash + 1 == name.size()) continue;
    const auto partition =
        slash == std::string::npos ? std::nullopt : read_number<int>(std::string_view(name).substr(slash + 1));
    const auto read = read_position(position);
    if (!partition || !read) {
      return fail(ErrorKind::corrupt,
                  fmt::format("the stored position of '{}' is not one of a Kafka topic; was this source of "
                              "another type? Give it another name",
                              name));
    }
    positions.emplace(penstock::kafka::TopicPartition{name.substr(0, slash), *partition}, *read);
  }
  return positions;
}

}  // namespace penstock::sources::kafka
