#pragma once
// Folders on the real disk, for those whose files are written by a library: RocksDB knows no other. Errors: io, with the path.

#include <string>

#include "pipeline/base/result.h"

namespace penstock {

// Whether there is anything of that name. What may not be looked at is an error: it does not say that nothing is there.
Result<bool> is_there(const std::string& path);
// From the root on; nothing need be there.
Result<std::string> absolute_path(const std::string& path);
// `path` is `folder` or below it, when links are followed as far as there is something.
Result<bool> is_inside(const std::string& path, const std::string& folder);
// With everything in it. Nothing is there afterwards; no error when nothing was.
Result<void> remove_folder(const std::string& folder);
// Within one file system; `to` must not exist, or be an empty folder. Durable when it returns.
Result<void> move_folder(const std::string& from, const std::string& to);

}  // namespace penstock
