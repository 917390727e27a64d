#pragma once
// Writes down what delivery must not forget, on a strand where a disk may take its time: dead letters, synced, and now and
// then the cursor. One write at a time; letters that come meanwhile go together with the next. A failed write of letters is
// tried again until it succeeds, because the cursor may not pass them before; so is one about a replay, whose end nobody would
// write down otherwise. A failed cursor is only old.
// Lives on its owner's Home.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/delivery/delivery_store.h"
#include "pipeline/delivery/home.h"
#include "pipeline/delivery/low_water.h"
#include "pipeline/delivery/replay.h"
#include "pipeline/event/dead_letter.h"

namespace penstock::delivery {

class Recorder {
 public:
  struct Burial {
    DeadLetter letter;
    LowWater::Mark mark;
    bool repeated = false;  // there is a letter of this event already: of another part that apps made of it
    Sent sent = Sent::first;
  };
  // What the recorder needs of the store; called on the disk strand.
  struct Store {
    std::function<Result<void>(std::span<const DeadLetter>, Sent)> bury;
    std::function<Result<void>(std::span<const std::string>)> discard;  // letters that were delivered after all
    std::function<Result<DeliveryStore::Released>(std::span<const OrderKey>)> release;
    std::function<Result<void>(const Offsets&)> save_cursor;
    std::function<Result<void>(const std::optional<ReplayOrder>&)> save_replay;  // nullopt: it is over
  };
  // Called on the owner's Home after every write whose letters, perhaps none, are durable now; with the number of those that
  // were discarded, and with what was released.
  using Buried = std::function<void(const std::vector<Burial>&, std::size_t discarded, const DeliveryStore::Released&)>;

  // `home` and `clock` outlive it.
  Recorder(Home& home, std::unique_ptr<Strand> disk, const Clock& clock, Store store, Buried buried);

  void bury(DeadLetter letter, LowWater::Mark mark, bool repeated = false, Sent sent = Sent::first) {
    bytes_ += bytes_of(letter);
    waiting_.push_back({std::move(letter), mark, repeated, sent});
  }
  void discard(std::string id) { discarding_.push_back(std::move(id)); }
  // After the letters before it are durable.
  void release(OrderKey key) { releasing_.push_back(key); }
  void save_cursor(Offsets cursor) { cursor_ = std::move(cursor); }
  void save_replay(std::optional<ReplayOrder> order) { replay_ = std::move(order); }
  // Starts writing what is waiting, unless a write is under way.
  void write();

  bool idle() const {
    return !writing_ && waiting_.empty() && discarding_.empty() && releasing_.empty() && !cursor_ && !replay_;
  }
  std::size_t letters_waiting() const { return waiting_.size() + letters_writing_; }
  // What those come to in memory. While they are written a piece of them is there twice more.
  std::size_t letters_bytes() const { return bytes_; }
  // What the last write of letters, or of a cursor, failed with; nullopt after a good one.
  const std::optional<Error>& letters_failure() const { return letters_failure_; }
  const std::optional<Error>& cursor_failure() const { return cursor_failure_; }

 private:
  struct Work {
    std::vector<Burial> burials;
    std::vector<std::string> discarded;
    std::vector<OrderKey> keys;
    DeliveryStore::Released released;
    std::optional<Offsets> cursor;
    std::optional<std::optional<ReplayOrder>> replay;
  };

  static std::size_t bytes_of(const DeadLetter& letter) { return letter.body.size() + letter.reason.size() + sizeof letter; }
  static Result<void> bury_in_pieces(const Store& store, const std::vector<Burial>& burials, Sent sent);
  void written(Work work, Result<void> letters, Result<void> cursor);
  void pause();

  Home& home_;
  const std::unique_ptr<Strand> disk_;
  const Clock& clock_;
  const std::shared_ptr<const Store> store_;  // shared with tasks on the disk strand
  const Buried buried_;
  std::vector<Burial> waiting_;
  std::vector<std::string> discarding_;
  std::vector<OrderKey> releasing_;
  std::optional<Offsets> cursor_;
  std::optional<std::optional<ReplayOrder>> replay_;
  std::size_t letters_writing_ = 0;
  std::size_t bytes_ = 0;  // of all that wait or are being written
  bool writing_ = false;
  std::optional<Error> letters_failure_;
  std::optional<Error> cursor_failure_;
};

}  // namespace penstock::delivery
