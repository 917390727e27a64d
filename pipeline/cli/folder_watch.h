#pragma once
// Waits for files below some folders to change. One thread, which must have SIGINT and SIGTERM blocked; FolderWatch blocks
// them itself when it is made, and they stay blocked.

#include <string>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::cli {

class FolderWatch {
 public:
  enum class Woken { changed, interrupted };

  static Result<FolderWatch> create();
  ~FolderWatch();
  FolderWatch(FolderWatch&& other) noexcept;
  FolderWatch& operator=(FolderWatch&&) = delete;

  // From now on looks at these and all folders below them. What changed since the last `wait` is not lost: it is looked at
  // anew, so set it before reading the files.
  Result<void> look_at(const std::vector<std::string>& folders);

  // Returns when something was written, made, renamed or removed and then nothing for a tenth of a second: editors write a
  // file in several steps. Interrupted: a signal asks to end.
  Result<Woken> wait();

 private:
  FolderWatch() = default;
  Result<bool> drain();

  int events_ = -1;
  int signals_ = -1;
  std::vector<int> watches_;
};

}  // namespace penstock::cli
