#pragma once
// A disk in memory that fails, tears and forgets when a test says so.
//
// What was appended is *live*; it survives `crash` only after `sync`, and a file's name only after its folder was synced.
// Thread-safe. Files, readers and locks it gave out must be gone before the disk is.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "pipeline/ports/disk.h"

namespace penstock::fakes {

class MemoryDisk final : public Disk {
 public:
  // `any` stands for each of them. Writing atomically is three: its draft, the rename, and a sync of the folder.
  enum class Verb : std::uint8_t {
    any,
    append,
    sync,
    truncate,
    open_append,
    open_read,
    read,
    size,
    write_atomically,
    rename,
    remove,
    link,
    sync_directory,
    create_directories,
    list,
    exists,
    space,
    lock
  };

  // What a power cut leaves of bytes that were never synced. Names that were never synced go or stay by the seed.
  enum class Unsynced : std::uint8_t {
    lost,      // nothing
    prefix,    // an arbitrary prefix of each file's
    scattered, // some of each file's 512-byte sectors; zeros in place of the others
  };

  // --- what a test does to it

  // After `skip` more calls of `verb` on paths that contain `path`, the next `times` fail with `error_number`. A failing
  // append leaves half of its bytes behind.
  void fail(Verb verb, int error_number, int skip = 0, int times = 1, std::string path = "");
  void fail_no_more();

  // Appends beyond this many bytes in all files fail with ENOSPC.
  void set_capacity(std::uint64_t bytes);

  // No two places share a file, as on different file systems.
  void refuse_links();

  // What `space` says.
  void set_space(Space space);

  // Calls of sync wait until they are released, one or all.
  void hold_syncs();
  void release_syncs();
  void release_one_sync();    // the one that waits now; returns when it is on its way
  void wait_for_held_sync();  // returns once one is waiting

  // The machine after a power cut. This disk goes on as if nothing had happened.
  std::unique_ptr<MemoryDisk> crash(std::uint64_t seed, Unsynced keep = Unsynced::prefix) const;

  // A file's live bytes; the path must exist.
  std::string content(const std::string& path) const;
  void set_content(const std::string& path, std::string bytes);  // durable at once
  int calls(Verb verb) const;

  // --- Disk

  Result<void> create_directories(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override;
  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override;
  Result<std::string> read_all(const std::string& path) override;
  Result<void> write_atomically(const std::string& path, std::string_view content) override;
  Result<void> remove(const std::string& path) override;
  Result<bool> link(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<Space> space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  struct File {
    std::string live;
    std::string synced;
    bool cut_below_synced = false;  // truncate took bytes that were synced
  };
  struct Fault {
    Verb verb;
    int error_number;
    int skip;
    int times;
    std::string path;
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;

  class OpenAppend;
  class OpenRead;
  class HeldLock;

  Result<void> enter(Verb verb, const std::string& path);  // counts, and fails when told to; under mutex_
  Result<void> append(File& file, const std::string& path, std::string_view bytes);
  Result<void> sync(File& file, const std::string& path);
  Result<void> truncate(File& file, const std::string& path, std::uint64_t size);
  std::uint64_t used() const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // with mutex_
  // All below guarded by mutex_.
  Names names_;
  Names synced_names_;
  std::set<std::string> directories_;
  std::set<std::string> locks_;
  std::vector<Fault> faults_;
  std::map<Verb, int> calls_;
  std::uint64_t capacity_ = ~0ULL;
  Space space_{1ULL << 40, 1ULL << 39};
  bool links_ = true;
  bool holding_ = false;
  int held_ = 0;
  int permits_ = 0;
};

}  // namespace penstock::fakes
