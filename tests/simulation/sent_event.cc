#include "tests/simulation/sent_event.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace penstock::simulation {
namespace {

constexpr std::array kFates{std::pair{Fate::rejected, "rejected"}, std::pair{Fate::poison, "poison"},
                            std::pair{Fate::busy, "busy"}, std::pair{Fate::when_fails, "when_fails"},
                            std::pair{Fate::unwanted, "unwanted"}};

}  // namespace

Fate fate_at(std::string_view body, std::string_view destination) {
  const auto key = fmt::format("\"{}\":\"", destination);
  const auto at = body.find(key);
  if (at == std::string_view::npos) return Fate::fine;
  const auto value = body.substr(at + key.size());
  for (const auto& [fate, text] : kFates)
    if (value.starts_with(text)) return fate;
  return Fate::fine;
}

std::vector<Uuid> SentEvent::outputs() const {
  std::vector<Uuid> made;
  if (kind == Kind::kept) made.push_back(uuid);
  for (std::uint32_t i = 0; kind == Kind::split && i < kSplitInto; ++i) made.push_back(derived_uuid(uuid, "split", i));
  return made;
}

SentEvent make_event(std::uint64_t number, Kind kind, std::string name, std::string distinct_id, int sequence,
                     const std::map<std::string, Fate>& fates, std::size_t padding) {
  SentEvent event{Uuid::v5({}, std::to_string(number)), kind, std::move(name), std::move(distinct_id), sequence, {}};
  std::string written;
  for (const auto& [destination, fate] : fates)
    for (const auto& [known, text] : kFates)
      if (known == fate) written += fmt::format(R"({}"{}":"{}")", written.empty() ? "" : ",", destination, text);
  event.body = fmt::format(R"({{"event":"{}","uuid":"{}","distinct_id":"{}","n":{},"fates":{{{}}},"pad":"{}"}})", event.name,
                           event.uuid.to_string(), event.distinct_id, sequence, written, std::string(padding, 'x'));
  if (kind == Kind::invalid) event.body.back() = ']';
  return event;
}

}  // namespace penstock::simulation
