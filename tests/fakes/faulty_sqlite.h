#pragma once
// The disk under every SQLite that is opened while this lives: the real one, but its calls that change something fail when a test
// says so. One at a time; for one thread.

#include <string>

namespace penstock::fakes {

class FaultySqlite {
 public:
  FaultySqlite();
  ~FaultySqlite();
  FaultySqlite(const FaultySqlite&) = delete;
  FaultySqlite& operator=(const FaultySqlite&) = delete;

  // After `skip` more calls (write, truncate, sync, creation, removal) the next `times` fail with this code of SQLite's. With
  // SQLITE_FULL only those count that take room.
  void fail(int code, int skip, int times = 1);
  void fail_no_more();
  // How many calls failed.
  int failed() const;
};

}  // namespace penstock::fakes
