#include "pipeline/delivery/recorder.h"

#include <iterator>
#include <span>
#include <utility>

#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {
namespace {

constexpr Duration kPauseAfterFailure{1000};
constexpr std::size_t kPieceBytes = 1 << 20;

template <class Value>
Result<void> keep(Result<Value> made, Value& to) {
  if (!made) return fail(std::move(made).error());
  to = *std::move(made);
  return {};
}

}  // namespace

Recorder::Recorder(Home& home, std::unique_ptr<Strand> disk, const Clock& clock, Store store, Buried buried)
    : home_(home), disk_(std::move(disk)), clock_(clock), store_(std::make_shared<const Store>(std::move(store))),
      buried_(std::move(buried)) {}

void Recorder::write() {
  if (writing_ || idle()) return;
  writing_ = true;
  letters_writing_ = waiting_.size();
  Work work{std::exchange(waiting_, {}),          std::exchange(discarding_, {}),      std::exchange(releasing_, {}), {},
            std::exchange(cursor_, std::nullopt), std::exchange(replay_, std::nullopt)};
  disk_->post([owner = home_.owner(), store = store_, this, work = std::move(work)]() mutable {
    Result<void> letters;
    Result<void> cursor;
    for (const Sent sent : {Sent::first, Sent::beside, Sent::again})
      if (letters) letters = bury_in_pieces(*store, work.burials, sent);
    if (letters && !work.discarded.empty()) letters = store->discard(work.discarded);
    if (letters && !work.keys.empty()) letters = keep(store->release(work.keys), work.released);
    if (work.cursor) cursor = store->save_cursor(*work.cursor);
    if (work.replay && cursor) cursor = store->save_replay(*work.replay);
    const auto alive = owner.lock();
    if (!alive) return;
    home_.post([this, work = std::move(work), letters = std::move(letters), cursor = std::move(cursor)]() mutable {
      written(std::move(work), std::move(letters), std::move(cursor));
    });
  });
}

// The store makes a copy of what it is given. If a later piece fails all are written again, which changes nothing about a letter.
Result<void> Recorder::bury_in_pieces(const Store& store, const std::vector<Burial>& burials, Sent sent) {
  std::vector<DeadLetter> piece;
  std::size_t bytes = 0;
  for (const Burial& burial : burials) {
    if (burial.sent != sent) continue;
    piece.push_back(burial.letter);
    bytes += bytes_of(burial.letter);
    if (bytes < kPieceBytes) continue;
    TRY(store.bury(piece, sent));
    piece.clear();
    bytes = 0;
  }
  return piece.empty() ? Result<void>() : store.bury(piece, sent);
}

void Recorder::written(Work work, Result<void> letters, Result<void> cursor) {
  writing_ = false;
  letters_writing_ = 0;
  if (work.cursor || work.replay) cursor_failure_ = cursor ? std::nullopt : std::optional(std::move(cursor).error());
  // A newer word about the replay goes before it.
  const bool replay_failed = work.replay && cursor_failure_;
  if (replay_failed && !replay_) replay_ = std::move(work.replay);
  if (!letters || replay_failed) pause();
  if (!letters) {
    letters_failure_ = std::move(letters).error();
    waiting_.insert(waiting_.begin(), std::move_iterator(work.burials.begin()), std::move_iterator(work.burials.end()));
    discarding_.insert(discarding_.begin(), std::move_iterator(work.discarded.begin()),
                       std::move_iterator(work.discarded.end()));
    releasing_.insert(releasing_.begin(), work.keys.begin(), work.keys.end());
    return;
  }
  for (const auto& burial : work.burials) bytes_ -= bytes_of(burial.letter);
  if (!work.burials.empty() || !work.discarded.empty() || !work.keys.empty()) letters_failure_ = std::nullopt;
  buried_(work.burials, work.discarded.size(), work.released);
  write();
}

// It belongs to the write.
void Recorder::pause() {
  writing_ = true;
  home_.post_at(clock_.steady() + kPauseAfterFailure, [this] {
    writing_ = false;
    write();
  });
}

}  // namespace penstock::delivery
