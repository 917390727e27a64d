#pragma once
// Tells when files in some folders changed and then were left alone for a moment, so that nobody reads a half-written file.
// Subfolders count. One thread at a time.

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace penstock {

class FolderWatch {
 public:
  static constexpr Duration kQuiet{300};

  // io: the kernel has no watch left to give; the message names its limit.
  static Result<FolderWatch> create();
  ~FolderWatch();
  FolderWatch(FolderWatch&& other) noexcept;
  FolderWatch& operator=(FolderWatch&& other) noexcept;

  // From now on these, with what is below them. Folders that do not exist are looked for again at each call, and so is another folder
  // in the place of one, which nobody tells when it is a parent that was moved; calling it often costs little. An error leaves the
  // rest watched.
  Result<void> watch(const std::vector<std::string>& folders);
  // True once after a change, when kQuiet has passed since the last one. Never waits.
  bool changed(SteadyTime now);
  // A folder is missing: `watch` has to be called again until it is back.
  bool incomplete() const { return incomplete_; }
  // Readable when something may have happened: for those who wait.
  int descriptor() const { return descriptor_; }

 private:
  explicit FolderWatch(int descriptor) : descriptor_(descriptor) {}
  using Identity = std::pair<dev_t, ino_t>;  // zero: there is no such folder
  static std::vector<Identity> identities(const std::vector<std::string>& folders);
  Result<void> add(const std::string& folder, int depth);
  bool read_events();

  int descriptor_ = -1;
  std::vector<std::string> wanted_;
  std::vector<Identity> found_;  // of these, when they were watched
  std::map<int, std::string> watched_;  // by the kernel's number
  bool incomplete_ = true;  // a folder came or went
  bool pending_ = false;
  bool came_back_ = false;
  SteadyTime last_change_{};
};

}  // namespace penstock
