#include "pipeline/ingest/death_notice.h"

#include <fmt/format.h>

namespace penstock::ingest {

void DeathNotice::Deaths::add(const DeadLetter& letter) {
  if (count++ > 0) return;
  first = fmt::format("{} of source {}{}{}: {}{}{} ({})", letter.uuid.to_string(), letter.source,
                      letter.place.empty() ? "" : ", ", letter.place, letter.app, letter.app.empty() ? "" : ": ",
                      letter.reason.substr(0, letter.reason.find('\n')), letter.code);
}

void DeathNotice::Deaths::add(Deaths more) {
  if (count == 0) first = std::move(more.first);
  count += more.count;
}

std::string DeathNotice::tell(SteadyTime now) {
  not_before_ = now + kEvery;
  const Deaths told = std::exchange(untold_, {});
  return fmt::format("dead letters, {} new; the first one: {}", told.count, told.first);
}

}  // namespace penstock::ingest
