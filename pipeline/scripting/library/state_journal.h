#pragma once
// What the apps of a chain read and change of `app.state` on account of one event. Changes stay here until the event's fate is
// known: reads look here first, then in the view of the batch; what an app did before it failed is taken back.
//
// A row belongs to an app (its table) and to the distinct id, within its project, that the event had on entering the chain:
// an app that changes the distinct id, or makes several events of one, stays in the same rows. One per chain; not thread-safe.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"
#include "pipeline/ports/state_view.h"

namespace penstock::scripting {

// The table of an entry of a chain.
std::string state_table(std::string_view app);

class StateJournal {
 public:
  // Different rows that one app may change on account of one event.
  static constexpr std::size_t kChangesMax = 100;

  void begin_batch(Timestamp now, StateView* view);
  void set_time(Timestamp now) { now_ = now; }
  // `entering` must stay while the event is in the chain.
  void begin_event(const Facts& entering);
  // The next app, or the same one on the next part of a split event: what was changed so far stays.
  void begin_app();
  // Forgets the changes since begin_app.
  void take_back();
  // The event is through: hands its changes over, each row once.
  void finish(std::vector<StateChange>& changes);

  // There is a view to read, and there is a distinct id to keep rows for.
  bool available() const { return view_ != nullptr; }
  bool has_owner() const { return owner_ != nullptr && !owner_->distinct_id.empty(); }
  Timestamp now() const { return now_; }

  // The view could not tell a row of this event, whatever an app made of that.
  bool unreadable() const { return unreadable_; }

  // `key` is the app's own. Both need a view and an owner.
  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key);
  // No value removes the row. limit: one row too many.
  Result<void> put(std::string_view table, std::string_view key, std::optional<StateValue> value);

 private:
  std::string_view row_key(std::string_view key);
  std::size_t rows_of(std::string_view table);
  StateChange* find(std::string_view table, std::string_view row, std::size_t from, std::size_t to);

  Timestamp now_;
  StateView* view_ = nullptr;
  const Facts* owner_ = nullptr;
  std::vector<StateChange> changes_;  // those before `begun_` each row once; then those since begin_app, each row once
  std::size_t begun_ = 0;
  bool unreadable_ = false;
  std::string row_;
};

}  // namespace penstock::scripting
