#pragma once
// Whole folders on the real disk, for those whose files are written by a library: RocksDB knows no other. Errors: io, with the
// path.

#include <string>

#include "pipeline/base/result.h"

namespace penstock {

// With everything in it. Nothing is there afterwards; no error when nothing was.
Result<void> remove_folder(const std::string& folder);
// Within one file system; `to` must not exist, or be an empty folder. Durable when it returns.
Result<void> move_folder(const std::string& from, const std::string& to);

}  // namespace penstock
