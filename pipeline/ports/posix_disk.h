#pragma once
// The machine's own file system. Lives for the whole process; every method is thread-safe, but one path is written
// atomically by one thread at a time.

#include "pipeline/ports/disk.h"

namespace penstock {

Disk& posix_disk();

}  // namespace penstock
