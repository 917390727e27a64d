#pragma once
// The file system under a RocksDB: the real one, but it fails when a test says so, fills up, and loses its power.
//
// What was appended is in the file at once; it survives `power_on(Unsynced::lost)` only after a sync, a new file and a new name only
// after a sync of the folder. Give `env()` to whoever opens the database; it outlives the database. Thread-safe.

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace penstock::fakes {

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // FileExists is not among them: where it fails, Debian's RocksDB 7.8 ends the process (an assertion in GetSortedWalFiles).
  enum class Verb : std::uint8_t {
    any,
    create,
    append,
    sync,
    rename,
    link,
    remove,
    sync_directory,
    create_directory,
    lock,
    // reading
    any_read,
    open,
    read,
    list,
    size
  };
  // What is left when the power comes back.
  enum class Unsynced : std::uint8_t {
    kept,  // all of it: only the process was killed
    lost,
  };

  static std::shared_ptr<FaultyFileSystem> make();

  rocksdb::Env* env() { return env_.get(); }

  // After `skip` more calls of `verb` on paths that contain `path`, the next `times` fail with `error_number`. A failing append
  // leaves half of its bytes behind. `any`: every verb but reading, `any_read`: the others.
  void fail(Verb verb, int error_number, int skip = 0, int times = 1, std::string path = "");
  void fail_no_more();
  // Until it is false nothing can be appended, created or copied: ENOSPC.
  void set_full(bool full);

  // From now on nothing changes on the medium, whatever the database still does; it can then be closed.
  void power_off();
  // The database is closed.
  void power_on(Unsynced unsynced);

  // Calls since it was made, of each verb; of `any` and `any_read`, those that they stand for.
  int calls(Verb verb) const;

  // --- rocksdb::FileSystem
  static const char* kClassName() { return "FaultyFileSystem"; }
  const char* Name() const override { return kClassName(); }
  using Options = rocksdb::IOOptions;
  using Debug = rocksdb::IODebugContext;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file, Debug* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file, Debug* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file, Debug* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const Options& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory, Debug* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const Options& options, Debug* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const Options& options,
                               Debug* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to, const Options& options, Debug* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const Options& options, Debug* debug) override;
  rocksdb::IOStatus LockFile(const std::string& path, const Options& options, rocksdb::FileLock** lock,
                             Debug* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& path, const Options& options, std::vector<std::string>* names,
                                Debug* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const Options& options, std::uint64_t* size, Debug* debug) override;

 private:
  struct File {
    std::uint64_t size = 0;
    std::uint64_t synced = 0;
  };
  // A change of names that a power cut may undo.
  struct Naming {
    std::string path;  // is new
    std::string from;  // by a rename
    std::optional<std::string> over;  // what it had before
  };
  struct Fault {
    Verb verb;
    int error_number;
    int skip;
    int times;
    std::string path;
  };
  class Writable;
  class Directory;
  class RandomAccess;
  class Sequential;

  FaultyFileSystem();
  // Counts, and fails when told to.
  rocksdb::IOStatus enter(Verb verb, const std::string& path);
  bool calls_have_effect() const;
  void appended(const std::string& path, std::uint64_t bytes);
  void synced(const std::string& path);
  void directory_synced(const std::string& path);

  std::unique_ptr<rocksdb::Env> env_;
  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  std::map<std::string, File> files_;
  std::vector<Naming> namings_;
  std::vector<Fault> faults_;
  std::map<Verb, int> calls_;
  bool full_ = false;
  bool power_ = true;
};

}  // namespace penstock::fakes
