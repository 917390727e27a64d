#include "pipeline/scripting/library/state_journal.h"

#include <fmt/format.h>

#include "pipeline/base/codec.h"

namespace penstock::scripting {

std::string state_table(std::string_view app) { return fmt::format("app/{}", app); }

void StateJournal::begin_batch(Timestamp now, StateView* view) {
  now_ = now;
  view_ = view;
}

void StateJournal::begin_event(const Facts& entering) {
  owner_ = &entering;
  unreadable_ = false;
  changes_.clear();
  begun_ = 0;
}

void StateJournal::begin_app() {
  if (begun_ == changes_.size()) [[likely]]
    return;
  // What was changed since the last mark joins what was before it.
  std::size_t kept = begun_;
  for (std::size_t i = begun_; i < changes_.size(); ++i) {
    StateChange* before = find(changes_[i].table, changes_[i].key, 0, begun_);
    StateChange& place = before != nullptr ? *before : changes_[kept++];
    if (&place != &changes_[i]) place = std::move(changes_[i]);
  }
  changes_.resize(kept);
  begun_ = kept;
}

void StateJournal::take_back() { changes_.resize(begun_); }

void StateJournal::finish(std::vector<StateChange>& changes) {
  begin_app();
  changes.swap(changes_);
  changes_.clear();
  begun_ = 0;
}

Result<std::optional<StateValue>> StateJournal::get(std::string_view table, std::string_view key) {
  const std::string_view row = row_key(key);
  const StateChange* changed = find(table, row, begun_, changes_.size());
  if (changed == nullptr) changed = find(table, row, 0, begun_);
  if (changed == nullptr) {
    auto stored = view_->get(table, row, now_);
    unreadable_ |= !stored;
    return stored;
  }
  if (changed->removed) return std::nullopt;
  return StateValue{changed->value, changed->expires_at};
}

Result<void> StateJournal::put(std::string_view table, std::string_view key, std::optional<StateValue> value) {
  const std::string_view row = row_key(key);
  StateChange* change = find(table, row, begun_, changes_.size());
  if (change == nullptr) {
    const bool more = find(table, row, 0, begun_) == nullptr;
    if (more && changes_.size() >= kChangesMax && rows_of(table) >= kChangesMax)
      return fail(ErrorKind::limit, fmt::format("more than {} keys changed for one event", kChangesMax));
    change = &changes_.emplace_back();
    change->table = table;
    change->key = row;
  }
  change->removed = !value;
  change->value = value ? std::move(value->value) : std::string();
  change->expires_at = value ? value->expires_at : Timestamp{};
  return {};
}

// Project and distinct id have their lengths before them, so no two rows collide.
std::string_view StateJournal::row_key(std::string_view key) {
  row_.clear();
  Writer to(row_);
  to.text(owner_->project);
  to.text(owner_->distinct_id);
  to.bytes(key);
  return row_;
}

std::size_t StateJournal::rows_of(std::string_view table) {
  std::size_t rows = 0;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i].table != table) continue;
    if (i < begun_ || find(table, changes_[i].key, 0, begun_) == nullptr) ++rows;
  }
  return rows;
}

StateChange* StateJournal::find(std::string_view table, std::string_view row, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i)
    if (changes_[i].key == row && changes_[i].table == table) return &changes_[i];
  return nullptr;
}

}  // namespace penstock::scripting
