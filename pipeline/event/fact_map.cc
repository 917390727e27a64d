#include "pipeline/event/fact_map.h"

#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "pipeline/event/timestamps.h"

namespace penstock {
namespace {

// Of the ids that Penstock itself derives. Never to be changed: the same record must get the same id for ever.
constexpr Uuid kNamespace{{0x5b, 0x7a, 0x0c, 0x7e, 0x93, 0x1d, 0x4f, 0x58, 0xa4, 0x46, 0x1e, 0x0d, 0xc2, 0x6f, 0x38, 0x91}};

// nullopt for null too: a client that sends null means that it has none.
std::optional<std::string_view> present(std::optional<std::string_view> raw) {
  if (raw && json::kind_of(*raw) == json::Kind::null) return std::nullopt;
  return raw;
}

std::optional<std::string_view> value_at(const json::ObjectIndex& body, std::string_view mapped,
                                         std::string_view canonical) {
  if (!mapped.empty()) return present(json::find_path(body, mapped));
  const auto* member = body.find(canonical);
  return member == nullptr ? std::nullopt : present(member->value);
}

Result<std::string_view> read_event(std::optional<std::string_view> raw, std::string_view path, std::string& buffer) {
  if (!raw) return fail(ErrorKind::invalid, fmt::format("the event has no name: '{}' is missing", path));
  if (json::kind_of(*raw) != json::Kind::string) {
    return fail(ErrorKind::invalid, fmt::format("the event has no name: '{}' is not a string", path));
  }
  const auto name = json::unescape(*raw, buffer);
  if (name.empty()) return fail(ErrorKind::invalid, fmt::format("the event has no name: '{}' is empty", path));
  return name;
}

std::string_view read_distinct_id(std::string_view raw, std::string& buffer) {
  switch (json::kind_of(raw)) {
    case json::Kind::string: return json::unescape(raw, buffer);
    case json::Kind::object:
    case json::Kind::array:
      buffer.clear();
      json::append_compact(buffer, raw);
      return buffer;
    default: return raw;
  }
}

std::optional<Timestamp> read_timestamp(std::string_view raw, std::string& buffer) {
  const auto kind = json::kind_of(raw);
  if (kind == json::Kind::string) return parse_timestamp(json::unescape(raw, buffer));
  if (kind != json::Kind::number) return std::nullopt;
  const auto number = json::to_double(raw);
  return number ? timestamp_from_number(*number) : std::nullopt;
}

// The nil uuid is what broken clients send for "none"; believed, all their events would be one.
std::optional<Uuid> read_uuid(std::string_view raw, std::string& buffer) {
  if (json::kind_of(raw) != json::Kind::string) return std::nullopt;
  const auto uuid = Uuid::parse(json::unescape(raw, buffer));
  return uuid && !uuid->is_nil() ? uuid : std::nullopt;
}

}  // namespace

FactReader::FactReader(FactPaths paths, std::string project) : paths_(std::move(paths)), project_(std::move(project)) {}

Result<Facts> FactReader::read(const json::ObjectIndex& body, const RecordPlace& place, Timestamp received_at) {
  client_uuid_ = false;
  Facts facts;
  facts.project = project_;
  facts.source = place.source;
  facts.received_at = received_at;

  const auto event = value_at(body, paths_.event, "event");
  TRY_ASSIGN(facts.event, read_event(event, paths_.event.empty() ? "event" : paths_.event, event_));

  auto distinct_id = value_at(body, paths_.distinct_id, "distinct_id");
  if (!distinct_id && paths_.distinct_id.empty()) distinct_id = present(json::find_path(body, "properties.distinct_id"));
  if (distinct_id) facts.distinct_id = read_distinct_id(*distinct_id, distinct_id_);

  const auto time = value_at(body, paths_.timestamp, "timestamp");
  facts.timestamp = (time ? read_timestamp(*time, scratch_) : std::nullopt).value_or(received_at);

  const auto uuid = value_at(body, paths_.uuid, "uuid");
  const auto sent = uuid ? read_uuid(*uuid, scratch_) : std::nullopt;
  client_uuid_ = sent.has_value();
  facts.uuid = sent ? *sent : derived_uuid(place);
  return facts;
}

Uuid derived_uuid(const RecordPlace& place) {
  // Neither a name nor a partition contains a zero byte, so no two places spell the same.
  // One per event of a source that sends no uuids, so it is put together by hand in a buffer that stays.
  thread_local std::string name;
  name.assign(place.source).push_back('\0');
  name.append(place.partition).push_back('\0');
  name.append(fmt::format_int(place.offset).str()).push_back('\0');
  name.append(fmt::format_int(place.index).str());
  return Uuid::v5(kNamespace, name);
}

Uuid derived_uuid(const Uuid& parent, std::string_view app, std::uint32_t index) {
  fmt::memory_buffer name;
  fmt::format_to(std::back_inserter(name), "{}{}{}", app, '\0', index);
  return Uuid::v5(parent, {name.data(), name.size()});
}

}  // namespace penstock
