#include "tests/simulation/sent_event.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace penstock::simulation {
namespace {

constexpr std::array kFates{std::pair{Fate::rejected, "rejected"}, std::pair{Fate::poison, "poison"},
                            std::pair{Fate::busy, "busy"}, std::pair{Fate::when_fails, "when_fails"},
                            std::pair{Fate::unwanted, "unwanted"}};

constexpr std::array kApps{std::pair{AppDoes::changes, "changes"}, std::pair{AppDoes::drops, "drops"},
                           std::pair{AppDoes::fails, "fails"}};

template <class Known>
auto written_at(std::string_view body, std::string_view key, const Known& known) {
  using Value = typename Known::value_type::first_type;
  const auto at = body.find(fmt::format("\"{}\":\"", key));
  if (at == std::string_view::npos) return Value{};
  const auto value = body.substr(at + key.size() + 4);
  for (const auto& [each, text] : known)
    if (value.starts_with(text)) return each;
  return Value{};
}

template <class Known, class Value>
void write(std::string& to, const std::string& key, const Known& known, Value value) {
  for (const auto& [each, text] : known)
    if (each == value) to += fmt::format(R"({}"{}":"{}")", to.empty() ? "" : ",", key, text);
}

std::string mark_of(std::string_view destination) { return fmt::format(R"({{"for":"{}",)", destination); }

}  // namespace

Fate fate_at(std::string_view body, std::string_view destination) { return written_at(body, destination, kFates); }

AppDoes app_at(std::string_view body, std::string_view destination) {
  return written_at(body, fmt::format("{}_app", destination), kApps);
}

std::string changed_by_app(std::string_view body, std::string_view destination) {
  return mark_of(destination).append(body.substr(1));
}

bool is_changed_by_app(std::string_view body, std::string_view destination) {
  return body.starts_with(mark_of(destination));
}

std::vector<Uuid> SentEvent::outputs() const {
  std::vector<Uuid> made;
  if (kind == Kind::kept) made.push_back(uuid);
  for (std::uint32_t i = 0; kind == Kind::split && i < kSplitInto; ++i) made.push_back(derived_uuid(uuid, "split", i));
  return made;
}

SentEvent make_event(std::uint64_t number, Kind kind, std::string name, std::string distinct_id, int sequence,
                     const Fates& fates, std::size_t padding) {
  SentEvent event{Uuid::v5({}, std::to_string(number)), kind, std::move(name), std::move(distinct_id), sequence, {}};
  std::string written;
  for (const auto& [destination, fate] : fates.receiver) write(written, destination, kFates, fate);
  for (const auto& [destination, does] : fates.app) write(written, destination + "_app", kApps, does);
  event.body = fmt::format(R"({{"event":"{}","uuid":"{}","distinct_id":"{}","n":{},"fates":{{{}}},"pad":"{}"}})", event.name,
                           event.uuid.to_string(), event.distinct_id, sequence, written, std::string(padding, 'x'));
  if (kind == Kind::invalid) event.body.back() = ']';
  return event;
}

}  // namespace penstock::simulation
