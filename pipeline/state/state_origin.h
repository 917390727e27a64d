#pragma once
// Where a process gets the derived state from: the folder that it left, as a rule. When that is missing, damaged, or does not
// fit the log, the newest checkpoint that opens and fits; without one the log, if it has kept its beginning. Never from less,
// unless somebody asks for it: positions of sources would be forgotten, and input would be read twice without a word.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/log.h"
#include "pipeline/state/checkpoints.h"
#include "pipeline/state/state_database.h"

namespace penstock::state {

struct Origin {
  std::string folder;  // DATA/state
  std::string checkpoints;  // DATA/checkpoints
};

struct Opened {
  Database database;
  // Damaged, or of records that the log does not have. They are to be removed before the log grows, lest they come to fit it, but
  // not before it is known that this state is gone on with: until then they may be needed with a copy of the log.
  std::vector<Checkpoint> useless;
};

// The database in `origin.folder`, with everything up to some record that the log continues; made, when it has to be, beside it,
// and swapped in. A line in the program's log says what it was made from. Nobody has the folder open.
// corrupt: there is nothing that it can be made from whole, or it knows records that the log does not have; the message says what
// would be lost, and which command goes on without it. conflict: another process has it, or a newer program wrote it.
Result<Opened> open_from(const Origin& origin, Log& log, const Surroundings& around);

// What a state is made from anew.
struct Beginning {
  std::uint64_t sequence = 0;  // of the first record to read
  Timestamp complete_from{};  // 0: nothing is missing
  std::string checkpoint{};  // its folder; empty: the log alone
  std::vector<Checkpoint> damaged{};  // newer ones, which were tried
};

// What `make_anew` would begin with, looked at as closely; makes nothing. Same error.
Result<Beginning> look_for_beginning(const Origin& origin, Log& log, const Surroundings& around);

// Makes a database in `folder`, which must not exist, from the newest checkpoint or the whole log. `from_start`: from the
// oldest record that the log has, whatever is missing before it.
Result<Beginning> make_anew(const std::string& folder, const Origin& origin, bool from_start, Log& log,
                            const Surroundings& around);

}  // namespace penstock::state
