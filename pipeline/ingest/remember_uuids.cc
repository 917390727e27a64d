#include "pipeline/ingest/remember_uuids.h"

#include <algorithm>

namespace penstock::ingest {

Result<void> remember_uuids(SeenUuids& seen, Log& log, const Clock& clock) {
  if (!seen.enabled()) return {};
  const auto& [window, uuids_max] = seen.settings();
  const Timestamp since{std::max<std::int64_t>(0, clock.now().ms - window.count())};
  TRY_ASSIGN(Offsets start, log.offsets_at(LogName::events, since));
  const Offsets end = log.end(LogName::events);
  std::uint64_t events = 0;
  for (std::size_t p = 0; p < end.size(); ++p) events += end[p] - start[p];
  for (std::size_t p = 0; p < end.size() && events > uuids_max; ++p)
    start[p] = end[p] - (end[p] - start[p]) * uuids_max / events;
  TRY_ASSIGN(const auto reader, log.read(LogName::events, start));
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) return {};
    for (const auto& chunk : record->chunks)
      for (std::uint32_t i = 0; i < chunk->size(); ++i) seen.claim(chunk->facts(i).uuid, record->appended_at);
  }
}

}  // namespace penstock::ingest
