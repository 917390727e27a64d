#include "pipeline/state/rebuild.h"

#include "pipeline/base/log.h"
#include "pipeline/state/state_folder.h"
#include "pipeline/state/state_origin.h"

namespace penstock::state {

Result<std::string> look_for_checkpoint(const StateOptions& options, Log& log, const Clock& clock) {
  TRY_ASSIGN(const Beginning beginning,
             look_for_beginning({options.folder, options.checkpoints}, log, {clock, options.env}));
  return beginning.checkpoint;
}

Result<Rebuilt> rebuild(const StateOptions& options, RebuildFrom from, Log& log, const Clock& clock) {
  TRY(undo_broken_swap(options.folder));
  const std::string made = options.folder + ".new";
  TRY_ASSIGN(const Beginning beginning,
             make_anew(made, {options.folder, options.checkpoints}, from == RebuildFrom::start, log, {clock, options.env}));
  log_info("state", "reading records {} to {} of the log `events`", beginning.sequence, log.next_sequence(LogName::events));
  Rebuilt rebuilt{.checkpoint = beginning.checkpoint};
  {
    TRY_ASSIGN(const auto state,
               DerivedState::open({.folder = made, .checkpoints = options.checkpoints, .env = options.env}, log, clock));
    TRY(state->flush());
    rebuilt.commits = state->next_sequence() - beginning.sequence;
    rebuilt.complete_from = state->complete_from();
  }
  TRY(swap_in(made, options.folder));
  // Only now, since they are what was left if it had failed. Who starts from the log alone does not trust any of them.
  Checkpoints checkpoints(options.checkpoints, {clock, options.env});
  std::vector<Checkpoint> distrusted = beginning.damaged;
  if (from == RebuildFrom::start) {
    TRY_ASSIGN(distrusted, checkpoints.list());
  }
  for (const Checkpoint& checkpoint : distrusted) TRY(checkpoints.remove(checkpoint));
  return rebuilt;
}

}  // namespace penstock::state
