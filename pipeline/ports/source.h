#pragma once
// Where events come from. A *polled* source is itself a log (a file, a user's topic): it is read in place and its position
// is part of ingest's commit. A *pushed* source (HTTP, stdin) hands records to the intake, which appends them to `captured`
// and only then says "accepted".

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/attachment.h"
#include "pipeline/event/facts.h"
#include "pipeline/ports/log.h"

namespace penstock {

// One record of a polled source.
struct RawRecord {
  std::string_view body;        // what should be one JSON object; into the batch's buffer
  std::uint64_t offset = 0;     // in its input partition
  std::string_view refused;     // not empty: the source itself refuses it, with this reason (a line over the limit);
                                // `body` is then what is kept of it
  const Attachment* attachment = nullptr;  // one of the batch's; null: none. Only for a log that keeps it
  bool tombstone = false;  // no event, but the end of what has its key; with an attachment and without a body
};

// What a source has to tell the operator; logged and counted: "orders.ndjson was truncated; reading from 0".
struct SourceWarning {
  std::string text;
  bool loss = false;  // input was gone before it could be read
};

// What one poll read. Reused; views point into `buffer`, or into memory held by `keeps`.
struct RawBatch {
  std::string partition;             // which input partition these are from, e.g. a file's identity
  std::string label;                 // the same for people: its path
  std::string origin;  // what uuids of its records are derived from in its place; empty: `partition`. For one that
      // began anew under its old name, and has its offsets again
  std::vector<RawRecord> records;
  std::vector<Attachment> attachments;
  std::string position;  // where that input partition stands after them
  std::string buffer;
  std::vector<std::string> keeps;
  std::vector<SourceWarning> warnings;

  void clear();
  const std::string& derived_from() const { return origin.empty() ? partition : origin; }
};

enum class PollState : std::uint8_t {
  more,  // ask again at once
  idle,  // nothing now; ask again when `idle_wait` is over
  finished,  // a finite source has nothing more, ever
};

// All pass tests/conformance/source_conformance.
class PolledSource {
 public:
  virtual ~PolledSource() = default;
  // `stored` are the positions of this source that the log holds, by input partition. Called again after a close, perhaps
  // with older ones: the log refused what was read since.
  virtual Result<void> open(const std::vector<SourcePosition>& stored) = 0;
  // Fills `out` with up to about `bytes_max` bytes of one input partition. Does not wait for data. Records and position of
  // one call are committed together. Called by one worker thread only.
  virtual Result<PollState> poll(RawBatch& out, std::size_t bytes_max) = 0;
  // About how many bytes of input polls have still to give; nothing when it cannot tell. On the same thread.
  virtual std::optional<std::uint64_t> unread_bytes() { return std::nullopt; }
  virtual void close() = 0;
};

// One record of a pushed source, before it is durable.
struct PushedRecords {
  std::string text;  // what the views below point into
  std::vector<std::string_view> bodies;  // each should be one JSON object
};

struct Accepted {
  struct Rejection {
    std::size_t index = 0;
    std::string reason;
  };
  std::size_t accepted = 0;
  std::vector<Rejection> rejected;  // they are dead letters now
};

// Given to a pushed source. Thread-safe.
class Intake {
 public:
  virtual ~Intake() = default;
  // Validates, maps and appends the records as one piece. `done` is called once, when they are durable or refused: kind
  // `unavailable` means try again later (the log is full, failing or closing), `limit` that no record of the log holds so much.
  // May be called on the calling thread.
  virtual void push(PushedRecords records, std::move_only_function<void(Result<Accepted>)> done) = 0;
  // Something was turned away without a push that succeeded: a request that could not be read, or came too early. Only
  // counted; `code` is short and stable, such as "413".
  virtual void refused(std::string_view code) = 0;
};

// All pass tests/conformance/pushed_source_conformance.
class PushedSource {
 public:
  virtual ~PushedSource() = default;
  // Starts threads or listeners and returns. An error names the address or file. May be called again, after an error or a stop.
  virtual Result<void> start(Intake& intake) = 0;
  // No new records from now on; returns when every push made has been answered. Harmless when it is not started.
  virtual void stop() = 0;
  // A finite one (stdin at its end, everything answered) says true once it is over. Thread-safe.
  virtual bool finished() const = 0;
  // Why nothing more will come of a finite one, though it was not read to its end. Once everything pushed is answered. Thread-safe.
  virtual std::optional<Error> failure() const { return std::nullopt; }
};

}  // namespace penstock
