#pragma once
// Reads `events` from a cursor on and shows the events a destination wants, one by one. What `events:` excludes is passed
// over without unpacking bodies; a chunk with no wanted name is passed over whole. Lives on one strand.

#include <atomic>
#include <cstdint>
#include <memory>

#include "pipeline/event/event_filter.h"
#include "pipeline/ports/log.h"

namespace penstock::delivery {

class Feed {
 public:
  enum class Step : std::uint8_t {
    event,  // `current` is the next wanted event; it stays so until `take`
    more,   // a good deal was passed over; ask again, perhaps after a pause
    end,    // nothing more for now
  };

  struct Current {
    EventView view;
    std::shared_ptr<const Chunk> chunk;  // keeps the view, and counts as held as long as it is kept
    std::int32_t partition = 0;
    std::uint64_t offset = 0;
  };

  // Log and filter must outlive it. What lies behind `end` is nobody's loss when it is removed; empty: all that follows is wanted.
  Feed(Log& log, const EventFilter& filter, Offsets start, Offsets end = {});

  // After an error the next call opens the log anew where reading stood, so the caller only waits.
  Result<Step> next();
  const Current& current() const { return current_; }
  void take();

  // Gives back the record that is being read, for somebody who has to wait; `next` reads it again. What was shown was taken.
  void let_go();

  // For somebody who does not read now: goes past what the log no longer has. False: it has all of it.
  bool skip_removed();

  // Everything before it was taken or passed over.
  const Offsets& position() const { return position_; }
  // Bytes of the chunks that are kept for events it has shown, each once.
  std::size_t held() const { return *held_; }
  // Since the last call: events that the filter passed over, and those that retention had removed.
  std::uint64_t collect_filtered() { return std::exchange(filtered_, 0); }
  std::uint64_t collect_skipped() { return std::exchange(skipped_, 0); }

 private:
  enum class Wants : std::uint8_t { all, some, none };

  Result<void> open();
  bool jump_to_oldest();
  void pass_record();
  void enter_chunk();
  bool wanted(std::string_view event);
  Result<Step> step_in_chunk();
  std::shared_ptr<const Chunk> hold();
  std::uint64_t& here() { return position_[static_cast<std::size_t>(chunk_->partition())]; }

  Log& log_;
  const EventFilter& filter_;
  Offsets position_;
  const Offsets end_;
  std::unique_ptr<LogReader> reader_;
  std::shared_ptr<const StoredRecord> record_;
  std::size_t next_chunk_ = 0;  // in record_
  std::shared_ptr<const Chunk> chunk_;
  std::uint32_t index_ = 0;  // in chunk_
  Wants wants_ = Wants::all;
  std::string_view last_name_;  // the chunk's names are few and shared: the last answer is often the next one
  bool last_wanted_ = false;
  std::shared_ptr<const Chunk> kept_;  // chunk_, counted in held_; null until one of its events was wanted
  std::shared_ptr<std::atomic<std::size_t>> held_ = std::make_shared<std::atomic<std::size_t>>(0);
  Current current_;
  std::uint64_t filtered_ = 0;
  std::uint64_t skipped_ = 0;
};

}  // namespace penstock::delivery
