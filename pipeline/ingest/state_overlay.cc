#include "pipeline/ingest/state_overlay.h"

#include <algorithm>
#include <tuple>

#include "pipeline/base/checksum.h"

namespace penstock::ingest {
namespace {
constexpr std::size_t kRowBytes = 16;  // lengths and times, about

std::size_t bytes_in_log(const StateChange& change) {
  return kRowBytes + change.table.size() + change.key.size() + change.value.size();
}
}  // namespace

std::size_t StateOverlay::hash(const Row& row) { return checksum(row.key) * 31 + checksum(row.table); }

std::size_t StateOverlay::bytes_of(const std::vector<StateChange>& changes) const {
  std::size_t bytes = changes.size() * scope_.size();
  for (const StateChange& change : changes) bytes += bytes_in_log(change);
  return bytes;
}

// No name of a source or of an app has an '@'.
void StateOverlay::enter(std::string_view source) {
  scope_.clear();
  if (!source.empty()) scope_.append("@").append(source);
}

std::string_view StateOverlay::in_scope(std::string_view table) {
  if (scope_.empty()) return table;
  scoped_.assign(table).append(scope_);
  return scoped_;
}

Result<std::optional<StateValue>> StateOverlay::get(std::string_view unscoped, std::string_view key, Timestamp now) {
  const std::string_view table = in_scope(unscoped);
  for (const Layer* layer : {&batch_, &commit_}) {
    const auto found = layer->find(Row{table, key});
    if (found == layer->end()) continue;
    const StateChange& change = **found;
    StateValue value{change.value, change.expires_at};
    if (change.removed || value.expired(now)) return std::nullopt;
    return value;
  }
  auto stored = stored_.get(table, key, now);
  if (!stored && !failure_) failure_ = stored.error();
  return stored;
}

void StateOverlay::collect(std::vector<StateChange>& changes) {
  for (StateChange& change : changes) {
    change.table += scope_;
    bytes_ += bytes_in_log(change);
    const auto found = batch_.find(Row{change.table, change.key});
    if (found == batch_.end()) {
      batch_.insert(std::make_unique<StateChange>(std::move(change)));
    } else {
      bytes_ -= bytes_in_log(**found);
      **found = std::move(change);
    }
  }
  changes.clear();
}

std::vector<StateChange> StateOverlay::begin_commit() {
  commit_ = std::move(batch_);
  batch_ = Layer();
  bytes_ = 0;
  std::vector<const StateChange*> ordered;
  ordered.reserve(commit_.size());
  for (const Change& change : commit_) ordered.push_back(change.get());
  std::ranges::sort(ordered, {}, [](const StateChange* change) { return std::tie(change->table, change->key); });
  std::vector<StateChange> changes;
  changes.reserve(ordered.size());
  for (const StateChange* change : ordered) changes.push_back(*change);
  return changes;
}

void StateOverlay::forget() {
  batch_.clear();
  commit_.clear();
  bytes_ = 0;
  failure_.reset();
}

}  // namespace penstock::ingest
