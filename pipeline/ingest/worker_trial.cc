// A batch on which an app is tried that failed before: it is committed only when the app does well.
#include "pipeline/ingest/worker.h"

namespace penstock::ingest {

// True while an app that failed before has not yet seen enough. At the end of what there is, it is judged by that.
bool Worker::trial_goes_on(bool progressed) {
  if (!trial_ || committer_.empty()) return false;
  if (chain_->standing() == Standing::on_trial) {
    if (progressed && takes_more()) return true;
    chain_->judge();
  }
  if (chain_->standing() != Standing::out) trial_ = false;
  return false;
}

// The app failed again, so its trial has not been: the same events are tried with it next time. Nothing is in flight.
Result<bool> Worker::give_up_trial() {
  note_durable();
  claims_.give_up();
  TRY(rewind(Duration(0)));
  return true;
}

}  // namespace penstock::ingest
