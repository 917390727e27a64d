#include "pipeline/delivery/recorder.h"

#include <iterator>
#include <span>
#include <utility>

namespace penstock::delivery {
namespace {

constexpr Duration kPauseAfterFailure{1000};

}  // namespace

Recorder::Recorder(Home& home, std::unique_ptr<Strand> disk, const Clock& clock, Store store, Buried buried)
    : home_(home), disk_(std::move(disk)), clock_(clock), store_(std::make_shared<const Store>(std::move(store))),
      buried_(std::move(buried)) {}

void Recorder::write() {
  if (writing_ || (waiting_.empty() && discarding_.empty() && !cursor_ && !replay_)) return;
  writing_ = true;
  letters_writing_ = waiting_.size();
  Work work{std::exchange(waiting_, {}), std::exchange(discarding_, {}), std::exchange(cursor_, std::nullopt),
            std::exchange(replay_, std::nullopt)};
  disk_->post([owner = home_.owner(), store = store_, this, work = std::move(work)]() mutable {
    Result<void> letters;
    Result<void> cursor;
    if (!work.burials.empty()) {
      std::vector<DeadLetter> copies;
      for (const auto& burial : work.burials) copies.push_back(burial.letter);
      letters = store->bury(copies);
    }
    if (letters && !work.discarded.empty()) letters = store->discard(work.discarded);
    if (work.cursor) cursor = store->save_cursor(*work.cursor);
    if (work.replay && cursor) cursor = store->save_replay(*work.replay);
    const auto alive = owner.lock();
    if (!alive) return;
    home_.post([this, work = std::move(work), letters = std::move(letters), cursor = std::move(cursor)]() mutable {
      written(std::move(work), std::move(letters), std::move(cursor));
    });
  });
}

void Recorder::written(Work work, Result<void> letters, Result<void> cursor) {
  writing_ = false;
  letters_writing_ = 0;
  if (work.cursor || work.replay) cursor_failure_ = cursor ? std::nullopt : std::optional(std::move(cursor).error());
  if (!letters) {
    letters_failure_ = std::move(letters).error();
    waiting_.insert(waiting_.begin(), std::move_iterator(work.burials.begin()), std::move_iterator(work.burials.end()));
    discarding_.insert(discarding_.begin(), std::move_iterator(work.discarded.begin()),
                       std::move_iterator(work.discarded.end()));
    writing_ = true;  // the pause belongs to the write
    home_.post_at(clock_.steady() + kPauseAfterFailure, [this] {
      writing_ = false;
      write();
    });
    return;
  }
  if (!work.burials.empty() || !work.discarded.empty()) letters_failure_ = std::nullopt;
  buried_(work.burials, work.discarded.size());
  write();
}

}  // namespace penstock::delivery
