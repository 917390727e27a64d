#include "pipeline/control/orders.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <span>

namespace penstock::control {
namespace {

namespace json = boost::json;

// The object, whose members are all among `known`.
Result<json::object> read_object(const std::string& body, std::span<const std::string_view> known) {
  if (body.empty()) return json::object();
  boost::system::error_code error;
  auto value = json::parse(body, error);
  if (error || !value.is_object()) return fail(ErrorKind::invalid, "the body: expected a JSON object");
  for (const auto& member : value.as_object()) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::ranges::find(known, key) == known.end())
      return fail(ErrorKind::invalid, fmt::format("{}: there is no such member", key));
  }
  return std::move(value.as_object());
}

Result<std::string> text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return fail(ErrorKind::invalid, fmt::format("{}: expected a text", key));
  return std::string(value->as_string());
}

Result<std::optional<std::uint64_t>> number_of(const json::object& object, std::string_view key, std::uint64_t max) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->is_number() ? value->to_number<std::uint64_t>(error) : max + 1;
  if (error || number > max) return fail(ErrorKind::invalid, fmt::format("{}: expected a number from 0 to {}", key, max));
  return number;
}

}  // namespace

Result<topology::DeadLetterChoice> read_choice(const std::string& body) {
  constexpr std::array<std::string_view, 3> kKnown{"ids", "stage", "code"};
  TRY_ASSIGN(const json::object object, read_object(body, kKnown));
  topology::DeadLetterChoice choice;
  TRY_ASSIGN(choice.filter.stage, text_of(object, "stage"));
  TRY_ASSIGN(choice.filter.code, text_of(object, "code"));
  const auto* ids = object.if_contains("ids");
  if (ids == nullptr) return choice;
  const bool texts =
      ids->is_array() && std::ranges::all_of(ids->as_array(), [](const json::value& id) { return id.is_string(); });
  if (!texts) return fail(ErrorKind::invalid, "ids: expected a list of texts");
  for (const auto& id : ids->as_array()) choice.ids.emplace_back(id.as_string());
  if (choice.ids.empty()) return fail(ErrorKind::invalid, "ids: an empty list names no letter; leave it out to mean all");
  return choice;
}

Result<std::string> read_note(const std::string& body) {
  constexpr std::array<std::string_view, 1> kKnown{"note"};
  TRY_ASSIGN(const json::object object, read_object(body, kKnown));
  return text_of(object, "note");
}

Result<std::string> read_folder(const std::string& body) {
  constexpr std::array<std::string_view, 1> kKnown{"folder"};
  TRY_ASSIGN(const json::object object, read_object(body, kKnown));
  TRY_ASSIGN(std::string folder, text_of(object, "folder"));
  if (folder.empty()) return fail(ErrorKind::invalid, "folder: where to?");
  return folder;
}

Result<topology::ReplayRequest> read_replay(const std::string& body) {
  constexpr std::array<std::string_view, 4> kKnown{"from", "to", "where", "rate"};
  TRY_ASSIGN(const json::object object, read_object(body, kKnown));
  topology::ReplayRequest request;
  TRY_ASSIGN(request.from, text_of(object, "from"));
  TRY_ASSIGN(std::string to, text_of(object, "to"));
  if (!to.empty()) request.to = std::move(to);
  TRY_ASSIGN(request.where, text_of(object, "where"));
  TRY_ASSIGN(const auto rate, number_of(object, "rate", 10'000'000));
  request.rate = static_cast<int>(rate.value_or(0));
  if (request.from.empty())
    return fail(ErrorKind::invalid, "from: from when on? A time, earliest, or how long ago, such as 2h");
  return request;
}

Result<std::optional<delivery::RateSettings>> read_rate(const std::string& body) {
  constexpr std::array<std::string_view, 2> kKnown{"events", "bytes"};
  TRY_ASSIGN(const json::object object, read_object(body, kKnown));
  TRY_ASSIGN(const auto events, number_of(object, "events", 10'000'000));
  TRY_ASSIGN(const auto bytes, number_of(object, "bytes", (100_GiB).count));
  if (!events && !bytes) return std::nullopt;
  return delivery::RateSettings{static_cast<int>(events.value_or(0)), Bytes{bytes.value_or(0)}};
}

}  // namespace penstock::control
