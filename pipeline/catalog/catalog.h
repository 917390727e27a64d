#pragma once
// What people told a running pipeline and expect it to remember: which destinations are paused, and which have another rate
// than their configuration says; and which destinations have ever started, so that one whose cursor was lost is not taken for a
// new one. One SQLite file, DATA/catalog.db; every call is one transaction that is durable when it
// returns. What the configuration file says is never written here.
//
// An order belongs to a destination's name and outlives its absence from the configuration.
// Thread-safe. Errors: unavailable, when there is no room: nothing was stored; io, with the file's name: what was ordered is not in
// force, but a sync that failed may let the next process find it; corrupt when it is no catalog; conflict when a newer program wrote it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace penstock::catalog {

struct Pause {
  std::string destination;
  std::string note;  // why, in the words of whoever paused it; may be empty
  Timestamp since;

  friend bool operator==(const Pause&, const Pause&) = default;
};

// Instead of what `rate:` says. Zero: without limit.
struct Rate {
  std::string destination;
  std::uint64_t events_per_second = 0;
  std::uint64_t bytes_per_second = 0;
  Timestamp since;

  friend bool operator==(const Rate&, const Rate&) = default;
};

class Catalog {
 public:
  // Makes the file when it is absent, and brings an older one up to date. The clock must outlive it.
  static Result<std::unique_ptr<Catalog>> open(const std::string& file, const Clock& clock);
  // Reads all of a file that nobody has open. corrupt: it is damaged, and what goes on.
  static Result<void> verify(const std::string& file);
  ~Catalog();

  // By name of the destination.
  Result<std::vector<Pause>> pauses() const;
  // Again: the note is replaced, the time stays.
  Result<void> pause(std::string_view destination, std::string_view note);
  // False: it was not paused.
  Result<bool> resume(std::string_view destination);

  // All of it as it is now, into a file that must not exist. Not durable before that file is synced.
  Result<void> copy_to(const std::string& file) const;

  // By name of the destination.
  Result<std::vector<Rate>> rates() const;
  Result<void> set_rate(std::string_view destination, std::uint64_t events_per_second, std::uint64_t bytes_per_second);
  // False: there was none.
  Result<bool> reset_rate(std::string_view destination);

  // The destinations that had a cursor in delivery's store, by name.
  Result<std::vector<std::string>> started() const;
  // Writes only what is new.
  Result<void> note_started(std::string_view destination);
  // The same of a file that nobody has open, of any version; changes nothing.
  static Result<std::vector<std::string>> started_in(const std::string& file);

 private:
  struct Impl;
  explicit Catalog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::catalog
