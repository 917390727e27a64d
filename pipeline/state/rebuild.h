#pragma once
// Throws the derived state away and makes it anew: what somebody does who does not trust it, or has lost too much for a start
// to go on by itself. Beside the old one, which a rename then replaces: a kill at any moment leaves one of the two whole.

#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/log.h"
#include "pipeline/state/derived_state.h"

namespace penstock::state {

enum class RebuildFrom : std::uint8_t {
  newest_checkpoint,  // that opens; without any from the first record, which the log must then have
  start,  // the oldest record that the log has, whatever was before it; checkpoints are removed afterwards
};

struct Rebuilt {
  std::string checkpoint{};  // its folder; empty: from the log alone
  std::uint64_t commits = 0;  // read from the log
  std::optional<Timestamp> complete_from{};  // nullopt: nothing is missing
};

// The log is open, nobody has the state. Tells the program's log how far it is. Errors as DerivedState::open; the old state is
// untouched then.
Result<Rebuilt> rebuild(const StateOptions& options, RebuildFrom from, Log& log, const Clock& clock);

// Which checkpoint a rebuild would begin with: its folder; empty: none is whole, the log alone. Each is read as a whole, nothing
// is changed. corrupt: from neither could the state be made; the message says what goes on.
Result<std::string> look_for_checkpoint(const StateOptions& options, Log& log, const Clock& clock);

}  // namespace penstock::state
