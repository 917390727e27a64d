#pragma once
// The events of a simulation. What becomes of one is written in it: by its name in the chain, by its fates at each destination.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/base/uuid.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/facts.h"

namespace penstock::simulation {

// By the chain. `invalid` is no event at all and is refused at the door.
enum class Kind : std::uint8_t { kept, dropped, split, failed, invalid };

inline constexpr std::uint32_t kSplitInto = 3;

// At one destination, always the same.
enum class Fate : std::uint8_t {
  fine,
  rejected,  // the receiver says that it can never take it
  poison,  // the receiver answers 500 to every write that has it inside
  busy,  // the first answers are `retry`
  when_fails,  // the destination's condition cannot be evaluated on it
  unwanted,  // the destination's condition says no
};
// As it stands in a body: `"crm":"rejected"`; nothing there is `fine`.
Fate fate_at(std::string_view body, std::string_view destination);

// By the destination's app, if it has one, always the same.
enum class AppDoes : std::uint8_t { nothing, changes, drops, fails };
// As it stands in a body: `"crm_app":"drops"`.
AppDoes app_at(std::string_view body, std::string_view destination);
// What the app makes of a body that it changes, and nobody else.
std::string changed_by_app(std::string_view body, std::string_view destination);
bool is_changed_by_app(std::string_view body, std::string_view destination);

// At each destination, by its name.
struct Fates {
  std::map<std::string, Fate> receiver;
  std::map<std::string, AppDoes> app;
};

struct SentEvent {
  Uuid uuid;
  Kind kind = Kind::kept;
  std::string name;  // `page_view` or `purchase`, and for the other kinds what the chain does with them
  std::string distinct_id;
  int sequence = 0;  // within the distinct id
  std::string body;

  // The uuids under which it enters `events`.
  std::vector<Uuid> outputs() const;
};

// `padding` makes it larger by so many bytes.
SentEvent make_event(std::uint64_t number, Kind kind, std::string name, std::string distinct_id, int sequence,
                     const Fates& fates, std::size_t padding);

}  // namespace penstock::simulation
