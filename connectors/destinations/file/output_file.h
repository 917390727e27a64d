#pragma once
// One file that only this destination appends to.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace penstock::destinations::file {

// One thread at a time. Errors name the path; kind `limit` means that the disk, a quota or a file size limit is full.
class OutputFile {
 public:
  // Opens or creates the file, with the folders above it, and locks it: an error of kind conflict when someone else has it.
  static Result<std::unique_ptr<OutputFile>> open(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // All, or an error: then what was appended of it has been cut off again.
  Result<void> append(std::string_view bytes);
  Result<void> sync();
  Result<void> cut(std::uint64_t size);

  int fd() const { return fd_; }
  std::uint64_t size() const { return size_; }
  // When it was created, as far as the file system knows.
  Timestamp born() const;
  // Looks at the disk again: false when the path no longer leads here. Someone may have truncated the file: size() follows.
  bool in_place();

 private:
  OutputFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  const int fd_;
  const std::string path_;
  std::uint64_t size_ = 0;
};

// Renames without overwriting: an error of kind conflict when `to` exists.
Result<void> rename_to_free(const std::string& from, const std::string& to);
// A name that was made, changed or removed in the folder of `path` is on the medium.
Result<void> sync_folder_of(const std::string& path);

}  // namespace penstock::destinations::file
