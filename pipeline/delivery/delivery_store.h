#pragma once
// Delivery's own truth, which no log can give back: how far each destination has come, and its dead letters. One RocksDB with
// a write-ahead log, in DATA/delivery.
//
// A dead letter is on the medium when `bury` returns; the caller moves the cursor past it only then. A cursor by itself is
// written without sync: losing the last second of it means events again, never events lost.
// Thread-safe. Errors: unavailable, when there is no room: nothing was stored, and a later call may succeed; io or corrupt, with
// the folder's name; conflict when a newer program wrote the folder.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/delivery/order_key.h"
#include "pipeline/delivery/replay.h"
#include "pipeline/ports/log.h"

namespace rocksdb {
class Env;
}

namespace penstock::delivery {

// Kept when its destination leaves the configuration, so that it can come back to it.
struct Cursor {
  std::string destination;
  Offsets next;
  Timestamp seen_at;  // when its destination last wrote it
};

enum class Sync : std::uint8_t { no, yes };
// What a letter's event was sent for.
enum class Sent : std::uint8_t {
  first,  // because the cursor had come to it. It is settled, and need not be sent when it is read once more
  beside,  // for a replay; or it is one of several that apps made of an event, of which the others may be open
  again,  // because somebody wanted its letter sent again
};

class DeliveryStore {
 public:
  // Makes the folder when it is absent. Clock and `env`, what the database stands on (null: the machine's), outlive the store.
  static Result<std::unique_ptr<DeliveryStore>> open(const std::string& folder, const Clock& clock,
                                                     rocksdb::Env* env = nullptr);
  // Reads all of a store that nobody has open, and changes nothing. corrupt: what is damaged, and what goes on.
  static Result<void> verify(const std::string& folder, const Clock& clock);
  // The cursors in such a store; changes nothing either.
  static Result<std::vector<Cursor>> cursors_in(const std::string& folder, const Clock& clock);
  ~DeliveryStore();
  DeliveryStore(const DeliveryStore&) = delete;
  DeliveryStore& operator=(const DeliveryStore&) = delete;

  // What no more can be written after: a sync that failed, a file that cannot be written. The process must end; the next one reads what is
  // really there. Any thread.
  std::optional<Error> failure() const;
  // A damaged table, found by chance while the store goes on: whoever reads just what is damaged is told. Any thread.
  std::optional<Error> damage() const;

  // Nullopt: this destination is new.
  Result<std::optional<Cursor>> cursor(std::string_view destination) const;
  Result<std::vector<Cursor>> cursors() const;  // by name
  Result<void> save_cursor(std::string_view destination, const Offsets& next, Sync sync);
  Result<void> forget_cursor(std::string_view destination);

  // Of each destination one replay. Nullopt: there is none; or, when saving, no more.
  Result<std::optional<ReplayOrder>> replay(std::string_view destination) const;
  Result<void> save_replay(std::string_view destination, const std::optional<ReplayOrder>& order, Sync sync);

  // All of them or none, synced. One that only waits behind another (dead_keys.h) changes nothing about a letter that is there.
  // `again`: they were sent again, and are wanted no more, and those that were discarded meanwhile stay so; while a letter that comes from the log once more, after a crash, says
  // nothing about that.
  Result<void> bury(std::span<const DeadLetter> letters, Sent sent = Sent::first);
  // Events that were buried with `first`, and that the stored cursor has not passed, whatever became of their letters since. Of each
  // partition the offset after the last; 0: it has none.
  Result<Offsets> buried_until(std::string_view destination, std::size_t partitions) const;
  // Whether this letter's event is one.
  Result<bool> was_buried(const DeadLetter& letter) const;
  // Synced. Ids that are not there are no error.
  Result<void> discard(std::span<const std::string> ids);

  // Marks letters to be sent again to the destination where they died; durable when it returns, however many. How many there
  // were: by filter (its stage names the destination), or by id, of which those that are not there are none.
  Result<std::uint64_t> want_again(const dead::Filter& filter);
  Result<std::uint64_t> want_again(std::span<const std::string> ids);
  struct Wanted {
    struct Unread {
      std::string id;
      Error error;
    };
    std::vector<dead::Listed> letters;
    std::vector<Unread> unread;  // passed over; they stay wanted
    std::string last;  // the place of the last one looked at; empty: there was none
  };
  // Of those wanted by a destination the first ones after a place (empty: of all), each partition in the order of the log; and how
  // many there are, up to `limit`. No more than kLettersAgainMax (settings.h) and a letter
  // at a time.
  Result<Wanted> wanted(std::string_view destination, std::size_t limit, std::string_view after = {}) const;
  Result<std::uint64_t> count_wanted(std::string_view destination, std::uint64_t limit) const;

  // For `on_dead: block`. The keys that have dead letters at a destination.
  Result<std::vector<FirstDead>> dead_keys(std::string_view destination) const;
  // The ids of the first letters of a key, in the order of the log.
  Result<std::vector<std::string>> first_of(std::string_view destination, OrderKey key, std::size_t limit) const;
  // The letter that holds others up and was received first, among those of a thousand keys. Nullopt: no key has letters.
  Result<std::optional<dead::Listed>> first_blocker(std::string_view destination) const;
  struct Released {
    std::vector<OrderKey> free;  // those without a letter
    bool wanted = false;  // some letters are to be sent again now
  };
  // Of each key whose first letter only waits behind others: that one and what follows it is wanted again, up to the next letter
  // that was refused; so many at a time. Synced.
  Result<Released> release(std::string_view destination, std::span<const OrderKey> keys);

  // All of it at one moment, into a folder that must not exist; durable when it returns.
  Result<void> copy_to(const std::string& folder) const;
  // For get, list and count.
  dead::HeldDeadLetters dead_letters() const;

 private:
  struct Impl;
  explicit DeliveryStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::delivery
