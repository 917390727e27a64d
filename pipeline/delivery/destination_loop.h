#pragma once
// The inside of a DestinationRunner. One strand: everything private runs on it. `pump` is the whole flow, and whatever happens
// (new events, an answer, a timer) ends in a pump.

#include <atomic>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/delivery/again.h"
#include "pipeline/delivery/blocked_keys.h"
#include "pipeline/delivery/breaker.h"
#include "pipeline/delivery/destination_runner.h"
#include "pipeline/delivery/draft.h"
#include "pipeline/delivery/feed.h"
#include "pipeline/delivery/health_log.h"
#include "pipeline/delivery/home.h"
#include "pipeline/delivery/preparation.h"
#include "pipeline/delivery/recorder.h"
#include "pipeline/delivery/rejections.h"
#include "pipeline/delivery/token_bucket.h"
#include "pipeline/delivery/verdict.h"
#include "pipeline/delivery/window.h"

namespace penstock::delivery {

class DestinationLoop : public std::enable_shared_from_this<DestinationLoop> {
 public:
  // `dead_keys`: those that have dead letters; looked at with `on_dead: block` only. `buried_until`: as the store says.
  DestinationLoop(DestinationParts parts, const Surroundings& around, const Offsets& start,
                  const std::vector<FirstDead>& dead_keys, Offsets buried_until);

  // Thread-safe, as in DestinationRunner.
  void start();
  void wake();
  void hurry();
  DestinationStatus status() const;
  void pause(std::string note);
  void resume();
  void send_again();
  void letters_discarded();
  void replay(ReplayOrder order, When where);
  void end_replay();
  void set_rate(std::optional<RateSettings> rate);
  void stop(Duration within, std::move_only_function<void()> stopped);

 private:
  static constexpr Duration kTick{1000};
  class Reply;
  enum class Phase : std::uint8_t { running, draining, closing, saving, stopped };

  // reading
  void pump();
  void read();
  bool read_slice();
  bool may_read() const;
  bool letters_allow() const;
  bool memory_allows(bool anything_open);
  void accept(const Feed::Current& current);
  void add_to_draft(const Feed::Current& current, const Prepared& prepared);
  void seal(const Offsets& after);
  void dispatch(Shipment shipment);
  bool window_has_room() const;
  bool aside_is_full() const;
  bool aside_has_room() const;
  void tend_beyond();
  BatchSettings limits_of_draft() const;
  std::size_t aside_bytes_max() const { return kAsideMax.count + settings_.batch.bytes.count; }
  void seal_when_due(bool at_end);
  void read_failed(Error error);
  void look_at_retention();
  void look_at_retention_of_replay();
  void count_replay_skipped();
  void collect_counts();
  void arm();

  // writing
  void launch();
  bool may_send(SteadyTime now);
  void tend_connection();
  void found_unavailable(const Outcome& outcome, SteadyTime now);
  void weigh_answer(const Verdict& verdict, SteadyTime now);
  Condition receivers_condition() const;
  void connected(const Result<void>& result);
  void answered(Window::Ticket ticket, Outcomes outcomes);
  void follow(Verdict verdict, LowWater::Mark mark);
  void put_off(std::vector<Shipment> pieces, const std::string& code, SteadyTime until);
  void count_delivered(const std::vector<Parcel>& parcels);
  void settle_delivered(const std::vector<Parcel>& parcels, LowWater::Mark mark);

  // apps on trial (destination_trial.cc)
  void rehearse();
  void forget_rehearsed();
  Result<bool> rehearse_all(SteadyTime until);
  Result<bool> rehearse_lane(Feed& ahead, Replay* of, SteadyTime until);
  bool rehearse_again(SteadyTime until);
  void forget_discarded_again();
  void take_out_discarded();
  bool may_take(const Feed::Current& current, const std::optional<Feed>& ahead) const;
  bool apps_hold() const { return preparation_.holding() || preparation_.rehearsing(); }

  // a replay (destination_replay.cc)
  bool may_replay(SteadyTime now);
  void read_replay();
  void replay_failed(const Error& error);
  void replay_reads();
  void pass_undecided(const std::string& reason);
  void take_replayed(SteadyTime now);
  void seal_replay();
  void settle_replayed(LowWater::Mark mark, std::size_t events);
  void drop_replay();
  bool of_ended_replay(LowWater::Mark mark) const;
  void tend_replay();
  void save_replay();

  // the retry lane (destination_again.cc)
  void read_again();
  bool may_read_again() const;
  bool take_wanted();
  bool end_of_wanted();
  void note_unread(const std::vector<DeliveryStore::Wanted::Unread>& unread);
  void wait_for_wanted(const Error& error);
  void prepare_again();
  void seal_again();
  void delivered_again(const std::vector<Parcel>& parcels);
  void died_again(const Parcel& parcel, DeadLetter letter);
  DeadLetter letter_again(std::size_t number) const;
  void conclude_again(std::size_t number);
  void settled_again(std::size_t letters);
  DeadLetter letter_for(const EventView& event, std::int32_t partition, std::uint64_t offset) const;
  DeadLetter letter_for(const Feed::Current& current, const Prepared& failed) const;
  void bury(std::vector<DeadLetter> letters, LowWater::Mark mark);
  void buried(const std::vector<Recorder::Burial>& burials, std::size_t discarded);

  // what a dead letter holds up (destination_order.cc)
  void record(DeadLetter letter, LowWater::Mark mark, Origin* origin = nullptr);
  void release_all();
  void release(const DeadLetter& letter);
  void released(const DeliveryStore::Released& released);
  bool waits_behind(const Parcel& parcel, LowWater::Mark mark) const;
  bool waits_again(const DeadLetter& letter) const;
  std::vector<std::string> leave_out_of_order(std::vector<dead::Listed>& letters);
  void all_through();
  bool park_blocked(Shipment& shipment);
  void park_behind(const KeyLanes& lanes);
  void park(const Parcel& parcel, LowWater::Mark mark);
  void look_for_blocker();
  bool too_many_blocked() const;

  // what holds it back (destination_steering.cc)
  void take_rate(const RateSettings& rate);
  bool rate_allows(SteadyTime now);
  void weigh_rejections(std::size_t delivered, std::size_t died, SteadyTime now);
  void end_suspension();
  std::optional<Condition> held_back() const;
  void tend_apps();

  // how far it has come (destination_cursor.cc)
  Result<bool> is_buried(const Feed::Current& current) const;

  // every second
  void tick();
  std::optional<SteadyTime> cursor_due() const;
  void save_cursor_if_due();
  void save_cursor_if_moved();
  void tell_of_dead_letters();
  void look_at_answers();
  void publish();
  static void tell(const std::optional<HealthLog::Line>& line);
  Condition condition() const;

  // stopping
  void begin_stop(Duration within);
  void stop_further();
  void close_destination();
  void finish_stop();

  const std::string name_;
  const DestinationSettings settings_;
  const Surroundings around_;
  const EventFilter filter_;
  const std::unique_ptr<Destination> destination_;
  Preparation preparation_;
  DeliveryMetrics metrics_;
  StatusBoard board_;
  Home home_;
  const std::unique_ptr<Strand> blocking_;

  Feed feed_;
  std::optional<Feed> ahead_;  // while apps are on trial: how far events were run through them
  Draft draft_;
  Window window_;
  LowWater low_water_;
  Breaker breaker_;
  Timestamp asked_until_;  // what the breaker's `asked_until` is by the wall clock
  Backoff retry_backoff_;
  Backoff read_backoff_;
  Recorder recorder_;
  std::optional<BlockedKeys> blocked_;  // with `on_dead: block`
  std::string blocker_;  // the sentence about the first letter that holds others up; empty: there is none

  std::optional<std::string> paused_;  // the note
  BatchSettings batch_limits_;  // the settings', and no more than a second's worth of the rate
  BatchSettings draft_limits_;  // of what is read together: one batch, or with an order one for each group of keys
  RateSettings rate_;
  TokenBucket event_tokens_;
  TokenBucket byte_tokens_;
  std::optional<SteadyTime> tokens_at_;  // when there are enough again, while a write waits for them
  Rejections rejections_;
  std::optional<SteadyTime> suspended_until_;
  std::string suspended_for_;
  std::uint64_t delivered_ = 0;
  int beyond_ = 0;  // batches that were read since as much is set aside as may be
  SteadyTime beyond_at_{};  // when one more may be read
  SteadyTime pumped_at_{};
  SteadyTime delivered_at_;  // when something last was, or the start
  int in_vain_ = 0;  // answers since then that said of nothing but what is set aside that it failed
  bool held_for_aside_ = false;  // the breaker opened for that
  std::string aside_for_;  // what was said of the last event that was set aside

  std::unique_ptr<Replay> replay_;
  LowWater::Mark replay_marks_ = 0;  // those that ended replays had
  bool again_wanted_;  // there may be letters to be sent again; asked of the store when it is time
  std::optional<Again> again_;  // those under way
  LowWater::Mark again_mark_ = kAgainMarks;
  std::string wanted_failure_;  // why they, or some of them, could not be read; empty: they could
  int wanted_failures_ = 0;  // in a row
  std::optional<SteadyTime> wanted_again_at_;  // when they are to be read once more after that
  std::string last_again_;  // the place to which the retry lane has come; empty: it begins with the first
  bool found_again_ = false;  // since it began there, or some have become wanted since
  std::set<std::string, std::less<>> unread_again_;  // those that could not be read since then
  std::set<std::string, std::less<>> unread_named_;  // those that were told; a bounded number

  Phase phase_ = Phase::running;
  bool hurrying_ = false;
  std::uint64_t filtered_by_when_ = 0;  // not counted yet
  std::atomic<bool> wake_posted_ = false;
  std::atomic<bool> waits_for_memory_ = false;
  std::optional<SteadyTime> next_timer_;

  std::optional<Error> read_failure_;
  int read_failures_ = 0;
  SteadyTime read_again_at_{};
  Timestamp last_received_at_;  // of the newest event seen

  Offsets saved_cursor_;
  const Offsets started_at_;  // where the cursor stood
  const Offsets buried_until_;  // of each partition: only before it may events be dead letters already
  const SteadyTime began_at_;
  SteadyTime cursor_saved_at_;
  std::uint64_t dead_told_ = 0;
  std::string last_death_;
  std::string waits_for_answer_;  // what to say of it; empty while answers come
  bool cursor_failure_told_ = false;
  Condition shown_;
  HealthLog health_log_;

  std::stop_source stop_;
  std::move_only_function<void()> stopped_;
};

}  // namespace penstock::delivery
