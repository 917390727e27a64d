#pragma once
// State that outlives an event: rows of a table, each with a key, a value, and perhaps a time at which it expires. Who changes a
// row says so in the commit record (LogRecord::state), so a change and the event that caused it are durable together; who
// reads one asks a StateView.

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace penstock {

// A change of one row. Part of the format of commit records.
struct StateChange {
  std::string table;
  std::string key;
  std::string value;
  bool removed = false;
  Timestamp expires_at;  // 0: never

  friend bool operator==(const StateChange&, const StateChange&) = default;
};

struct StateValue {
  std::string value;
  Timestamp expires_at;  // 0: never

  bool expired(Timestamp now) const { return expires_at.ms != 0 && expires_at <= now; }
  friend bool operator==(const StateValue&, const StateValue&) = default;
};

// The rows as they are for whoever asks. Not thread-safe.
class StateView {
 public:
  virtual ~StateView() = default;
  // Nothing when there is no such row, or it has expired by `now`. unavailable: the row cannot be told at present, and what
  // depended on it must not be committed.
  virtual Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) = 0;
};

}  // namespace penstock
