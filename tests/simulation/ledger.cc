#include "tests/simulation/ledger.h"

#include <fmt/format.h>

namespace penstock::simulation {

Result<void> Ledger::read(Log& log) {
  if (log.next_sequence(LogName::events) < next_sequence_) {
    return fail(ErrorKind::corrupt, fmt::format("`events` had {} durable records and has {} now", next_sequence_,
                                                log.next_sequence(LogName::events)));
  }
  TRY_ASSIGN(const auto reader, log.read_from_sequence(LogName::events, next_sequence_));
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) return {};
    std::vector<Committed> made;
    for (const auto& chunk : record->chunks) {
      for (std::uint32_t i = 0; i < chunk->size(); ++i) {
        const Facts& facts = chunk->facts(i);
        TRY_ASSIGN(const std::string_view body, chunk->body(i));
        made.push_back({facts.uuid, std::string(facts.event), std::string(facts.distinct_id), std::string(body),
                        static_cast<std::size_t>(chunk->partition()), chunk->base_offset() + i});
      }
    }
    for (auto& event : made) {
      places_.emplace(event.uuid, events_.size());
      events_.push_back(std::move(event));
    }
    next_sequence_ = record->sequence + 1;
  }
}

}  // namespace penstock::simulation
