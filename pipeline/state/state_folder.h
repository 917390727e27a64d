#pragma once
// The folder of a database that nobody has open: copied, and put in the place of another, so that a kill or a power cut leaves
// the old or the new. Errors: io, with the path.

#include <string>

#include "pipeline/base/result.h"

namespace penstock::state {

// Hard links to the files that never change, copies of the others and wherever links cannot be. `to` must not exist; durable
// when it returns.
Result<void> copy_folder(const std::string& from, const std::string& to);

// Puts `made` in the place of `folder`. A kill in the middle leaves the old one as `folder`.old; `undo_broken_swap` puts it back.
Result<void> swap_in(const std::string& made, const std::string& folder);
Result<void> undo_broken_swap(const std::string& folder);

}  // namespace penstock::state
