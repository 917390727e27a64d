// The retry lane: dead letters that somebody wants sent again, to this destination alone. They go through the same window and
// the same rules as everything else, in turns with what is live. What is wanted stands in the store, so a restart goes on with it; a
// letter is wanted until it was delivered, and then is no more, or until it died again.
#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/dead_keys.h"
#include "pipeline/delivery/destination_loop.h"

namespace penstock::delivery {
namespace {

// Letters in memory at a time, besides the settings' batch.
constexpr std::size_t kLettersMax = 1000;
constexpr std::chrono::milliseconds kSlice{5};
constexpr std::size_t kUnreadNamedMax = 1000;
const std::string kUnread = "dead letters to be sent again cannot be read: ";

EventView view_of(const DeadLetter& letter) {
  EventView view;
  view.facts.uuid = letter.uuid;
  view.facts.project = letter.project;
  view.facts.event = letter.event;
  view.facts.distinct_id = letter.distinct_id;
  view.facts.timestamp = letter.timestamp.ms != 0 ? letter.timestamp : letter.received_at;
  view.facts.received_at = letter.received_at;
  view.facts.source = letter.source;
  view.body = letter.body;
  return view;
}

}  // namespace

void DestinationLoop::send_again() {
  home_.post([this] {
    again_wanted_ = found_again_ = true;
    wanted_again_at_.reset();
    pump();
  });
}

// So many at a time: the next are read when nothing of the last is open any more, so that none is read twice.
void DestinationLoop::read_again() {
  if (!may_read_again()) return;
  if (!again_ && !take_wanted()) return;
  if (again_->next < again_->letters->size()) prepare_again();
}

bool DestinationLoop::may_read_again() const {
  return (again_ || again_wanted_) && !paused_ && !suspended_until_ && !apps_hold();
}

// True: there are some now.
bool DestinationLoop::take_wanted() {
  if (wanted_again_at_ && around_.clock.steady() < *wanted_again_at_) return false;
  wanted_again_at_.reset();
  const auto limit = std::min(kLettersMax, static_cast<std::size_t>(batch_limits_.events));
  auto wanted = around_.store.wanted(name_, limit, last_again_);
  if (!wanted) {
    wait_for_wanted(wanted.error());
    return false;
  }
  if (wanted->last.empty()) return end_of_wanted();
  last_again_ = std::move(wanted->last);
  note_unread(wanted->unread);
  const auto held_up = leave_out_of_order(wanted->letters);
  if (wanted->letters.empty()) {
    wake();  // for what comes after them
    return false;
  }
  found_again_ = true;
  again_.emplace(std::move(wanted->letters));
  for (std::size_t i = 0; i < again_->letters->size(); ++i)
    again_->fates[i].held_up = std::ranges::find(held_up, (*again_->letters)[i].id) != held_up.end();
  return true;
}

bool DestinationLoop::end_of_wanted() {
  const bool from_the_first = last_again_.empty();
  last_again_.clear();
  const bool some_unread = !std::exchange(unread_again_, {}).empty();
  const bool found = std::exchange(found_again_, false);
  // Some may have become wanted before the place it had come to.
  if (!from_the_first && found) return take_wanted();
  all_through();
  if (some_unread) {
    wanted_again_at_ = around_.clock.steady() + read_backoff_.after(++wanted_failures_);
    return false;
  }
  again_wanted_ = false;
  wanted_failures_ = 0;
  wanted_failure_.clear();
  return false;
}

// The others go. Each is named once, if they are not too many.
void DestinationLoop::note_unread(const std::vector<DeliveryStore::Wanted::Unread>& unread) {
  for (const auto& each : unread) {
    wanted_failure_ = kUnread + each.error.message;
    unread_again_.insert(each.id);
    if (unread_named_.size() >= kUnreadNamedMax || !unread_named_.insert(each.id).second) continue;
    log_error("delivery", "destination {}: dead letter {} is to be sent again, but is passed over: {}", name_, each.id,
              each.error.message);
  }
}

void DestinationLoop::wait_for_wanted(const Error& error) {
  const bool told = !wanted_failure_.empty();
  wanted_failure_ = kUnread + error.message;
  wanted_again_at_ = around_.clock.steady() + read_backoff_.after(++wanted_failures_);
  if (!told) log_error("delivery", "destination {}: {}", name_, wanted_failure_);
}

void DestinationLoop::prepare_again() {
  const SteadyTime slice_end = around_.clock.steady() + kSlice;
  Again& again = *again_;
  while (again.next < again.letters->size() && !preparation_.holding()) {
    if (preparation_.on_trial() && again.next >= again.rehearsed) break;
    if (around_.clock.steady() >= slice_end) {
      wake();
      break;
    }
    const std::size_t number = again.next++;
    if (again.fates[number].discarded) {
      settled_again(1);
      if (!again_) return;
      continue;
    }
    const EventView event = view_of((*again.letters)[number].letter);
    if (again.fates[number].held_up || waits_again((*again.letters)[number].letter)) {
      again.fates[number].death = (*again.letters)[number].letter;
      conclude_again(number);
      continue;
    }
    const Prepared& prepared = preparation_.prepare_wanted(event);
    Again::Fate& fate = again.fates[number];
    if (prepared.kind == Prepared::Kind::failed) {
      fate.death = letter_again(number);
      fate.death->app = prepared.app;
      fate.death->code = prepared.code;
      fate.death->reason = prepared.reason;
      ++fate.death->attempts;
    }
    if (prepared.kind != Prepared::Kind::goes) {
      conclude_again(number);
      continue;
    }
    fate.open = prepared.events.size();
    const Feed::Current from{event, nullptr, (*again.letters)[number].letter.partition, number};
    for (const EventView& part : prepared.events) {
      if (!again.draft.fits(part, batch_limits_) || again.draft.full(batch_limits_)) seal_again();
      prepared.made ? again.draft.add_made(from, part, fate.open == 1) : again.draft.add(from);
    }
  }
  seal_again();
  recorder_.write();
}

// Those that would be prepared; see destination_trial.cc.
bool DestinationLoop::rehearse_again(SteadyTime until) {
  if (!again_ && again_wanted_) take_wanted();
  if (!again_) return true;
  std::size_t& number = again_->rehearsed;
  for (number = std::max(number, again_->next); number < again_->letters->size(); ++number) {
    if (!preparation_.on_trial() || around_.clock.steady() >= until) return false;
    const DeadLetter& letter = (*again_->letters)[number].letter;
    if (again_->fates[number].discarded) continue;
    if (!again_->fates[number].held_up && !waits_again(letter)) preparation_.prepare_wanted(view_of(letter));
  }
  return true;
}

// Letters may lie here for as long as apps are held, or wait in the window for as long as an outage lasts, and somebody has thrown
// some away. What is in flight of them may still arrive; if it does not, it is no letter again.
void DestinationLoop::forget_discarded_again() {
  if (!again_) return;
  {
    const auto letters = around_.store.dead_letters();
    for (std::size_t number = 0; number < again_->letters->size(); ++number) {
      const auto there = letters.get((*again_->letters)[number].id);
      if (!there && there.error().kind == ErrorKind::not_found) again_->fates[number].discarded = true;
    }
  }
  take_out_discarded();
}

void DestinationLoop::take_out_discarded() {
  if (!again_) return;
  const auto taken =
      window_.take_out(Traffic::again, [this](const Parcel& parcel) { return again_->fates[parcel.offset].discarded; });
  for (const Shipment& shipment : taken)
    for (const Parcel& parcel : shipment.parcels)
      if (--again_->fates[parcel.offset].open == 0) conclude_again(parcel.offset);
  recorder_.write();
}

void DestinationLoop::seal_again() {
  if (again_->draft.empty()) return;
  Draft sealed = std::exchange(again_->draft, {});
  sealed.keeps.push_back(again_->letters);
  dispatch(sealed.ship(++again_mark_));
}

void DestinationLoop::delivered_again(const std::vector<Parcel>& parcels) {
  for (const Parcel& parcel : parcels)
    if (--again_->fates[parcel.offset].open == 0) conclude_again(parcel.offset);
  recorder_.write();
}

void DestinationLoop::died_again(const Parcel& parcel, DeadLetter letter) {
  Again::Fate& fate = again_->fates[parcel.offset];
  if (blocked_ && letter.code != kBehindDead) blocked_->died(key_of(letter), letter.offset);
  fate.death = std::move(letter);
  if (--fate.open == 0) conclude_again(parcel.offset);
}

// Nothing of the letter is under way any more: it is the same letter, by its id, with what is new about it, or none.
void DestinationLoop::conclude_again(std::size_t number) {
  Again::Fate& fate = again_->fates[number];
  const dead::Listed& listed = (*again_->letters)[number];
  if (!fate.death || fate.discarded) {
    recorder_.discard(listed.id);
    return release(listed.letter);
  }
  record(*std::move(fate.death), again_mark_);
}

DeadLetter DestinationLoop::letter_again(std::size_t number) const {
  DeadLetter letter = (*again_->letters)[number].letter;
  letter.last_at = around_.clock.now();
  return letter;
}

void DestinationLoop::settled_again(std::size_t letters) {
  if (!again_) return;
  again_->open -= std::min(again_->open, letters);
  if (again_->open == 0) again_.reset();
}

}  // namespace penstock::delivery
