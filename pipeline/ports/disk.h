#pragma once
// The file system as the log uses it: few verbs, so that tests can make each of them fail, tear or forget.
// The real one is `posix_disk()`; tests/fakes has one in memory.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock {

// One file open for appending. One thread at a time. Closed by its destructor, which does not sync.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  // All or an error; after an error an unknown prefix may be there.
  virtual Result<void> append(std::string_view bytes) = 0;
  // Everything appended is on the medium. After one failure nothing about this file may be believed: callers stop.
  virtual Result<void> sync() = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;
};

// Random reads. Thread-safe.
class ReadFile {
 public:
  virtual ~ReadFile() = default;
  // Up to out_size bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, char* out, std::size_t out_size) const = 0;
  virtual Result<std::uint64_t> size() const = 0;
};

// Held until destroyed or the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<void> create_directories(const std::string& path) = 0;  // durable
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  // What may not be looked at is an error: it does not say that nothing is there.
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) = 0;  // created when absent
  virtual Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) = 0;
  virtual Result<std::string> read_all(const std::string& path) = 0;
  // The whole content durable under its final name, or the old content untouched. Where only the sync of the folder failed, the new
  // one is there, and a power cut may take it back.
  virtual Result<void> write_atomically(const std::string& path, std::string_view content) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  // A second name for a file's bytes, durable once its folder is synced. False, and nothing was made: these two places cannot
  // share a file, because they are on different file systems, say.
  virtual Result<bool> link(const std::string& from, const std::string& to) = 0;
  virtual Result<void> sync_directory(const std::string& path) = 0;
  struct Space {
    std::uint64_t total = 0;
    std::uint64_t free = 0;  // for us: without what is kept for root
  };
  // Of the file system that `path` lies on.
  virtual Result<Space> space(const std::string& path) = 0;
  // Error of kind conflict that names the holder when another process has it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace penstock
