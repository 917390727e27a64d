#pragma once
// What was ever durable in `events`, whatever retention removes later; read along as the log grows.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports/log.h"

namespace penstock::simulation {

struct Committed {
  Uuid uuid;
  std::string name;
  std::string distinct_id;
  std::string body;
  std::size_t partition = 0;
  std::uint64_t offset = 0;
};

class Ledger {
 public:
  // Reads what is new. An error: the log cannot be read now, or has lost what it had.
  Result<void> read(Log& log);

  const std::vector<Committed>& events() const { return events_; }  // in the order of the log
  std::size_t count(const Uuid& uuid) const { return places_.count(uuid); }
  // The first with that uuid; nullptr: there is none.
  const Committed* find(const Uuid& uuid) const {
    const auto found = places_.lower_bound(uuid);
    return found == places_.end() || found->first != uuid ? nullptr : &events_[found->second];
  }

 private:
  std::uint64_t next_sequence_ = 0;
  std::vector<Committed> events_;
  std::multimap<Uuid, std::size_t> places_;  // in events_
};

// A replay that somebody asked for.
struct OrderedReplay {
  std::size_t destination = 0;
  Offsets from;
  Offsets to;
  std::size_t taken_before = 0;  // by the receiver, when it was ordered
};

}  // namespace penstock::simulation
