#include "pipeline/ingest/lag_watch.h"

#include <algorithm>

namespace penstock::ingest {
namespace {

// Asking costs a source a look at each of its files.
constexpr Duration kLookEvery{1000};

Duration since(SteadyTime then, SteadyTime now) { return std::chrono::duration_cast<Duration>(now - then); }

}  // namespace

LagWatch::LagWatch(Log& log, const Clock& clock, std::vector<std::string> polled, PartitionShare share)
    : log_(log), clock_(clock), share_(share) {
  for (auto& name : polled) polled_.push_back({std::move(name), std::nullopt, clock.steady()});
}

Result<void> LagWatch::open(std::uint64_t sequence) {
  TRY_ASSIGN(const auto reader, log_.read_from_sequence(LogName::captured, sequence));
  TRY_ASSIGN(const auto first, reader->next());
  const std::lock_guard lock(mutex_);
  if (!first) {
    next_ = log_.end(LogName::captured);
    return {};
  }
  next_ = first->next;
  for (const auto& chunk : first->chunks) next_.at(static_cast<std::size_t>(chunk->partition())) -= chunk->size();
  taken_ = first->appended_at;
  return {};
}

void LagWatch::took(const StoredRecord& record) {
  const std::lock_guard lock(mutex_);
  next_ = record.next;
  taken_ = record.appended_at;
}

void LagWatch::captured_at_end() {
  const std::lock_guard lock(mutex_);
  at_end_ = clock_.steady();
}

void LagWatch::polled(std::size_t n, bool at_end) {
  if (!at_end) return;
  const std::lock_guard lock(mutex_);
  polled_.at(n).at_end = clock_.steady();
}

bool LagWatch::due() {
  const auto now = clock_.steady();
  if (now < next_look_) return false;
  next_look_ = now + kLookEvery;
  return true;
}

void LagWatch::show(std::size_t n, std::optional<std::uint64_t> unread_bytes) {
  const std::lock_guard lock(mutex_);
  polled_.at(n).unread = unread_bytes;
  if (unread_bytes == 0) polled_.at(n).at_end = clock_.steady();
}

std::vector<InputLag> LagWatch::lag() const {
  const Offsets end = log_.end(LogName::captured);
  const std::lock_guard lock(mutex_);
  std::uint64_t events = 0;
  for (std::size_t p = static_cast<std::size_t>(share_.index); p < next_.size(); p += static_cast<std::size_t>(share_.of))
    events += end.at(p) - std::min(next_[p], end.at(p));
  InputLag captured{.input = "captured", .events = events, .bytes = {}};
  if (events > 0) {
    captured.age = Duration(std::max<std::int64_t>(0, clock_.now().ms - taken_.ms));
    if (at_end_) captured.age = std::min(captured.age, since(*at_end_, clock_.steady()));
  }
  std::vector<InputLag> all{captured};
  for (const auto& [name, unread, at_end] : polled_) {
    if (!unread) continue;
    all.push_back(
        {.input = name, .events = {}, .bytes = unread, .age = *unread > 0 ? since(at_end, clock_.steady()) : Duration(0)});
  }
  return all;
}

}  // namespace penstock::ingest
