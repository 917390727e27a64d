#include "tests/fakes/faulty_sqlite.h"

#include <sqlite3.h>

#include <cstddef>

namespace penstock::fakes {
namespace {

// SQLite knows its file systems by C functions without anything of ours in hand, so there is one of these.
struct Disk {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs{};
  int code = SQLITE_OK;
  int skip = 0;
  int times = 0;
  int failed = 0;

  int enter(bool takes_room) {
    if (times == 0 || (code == SQLITE_FULL && !takes_room)) return SQLITE_OK;
    if (skip-- > 0) return SQLITE_OK;
    --times;
    ++failed;
    return code;
  }
} disk;

// What SQLite gives us room for; behind it lies the real file.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real(); }

const sqlite3_io_methods kMethods{
    .iVersion = 2,
    .xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); },
    .xRead = [](sqlite3_file* f, void* to, int size,
                sqlite3_int64 at) { return real(f)->pMethods->xRead(real(f), to, size, at); },
    .xWrite =
        [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
          const int failed = disk.enter(true);
          // As much as there was room for.
          const int written = real(f)->pMethods->xWrite(real(f), from, failed == SQLITE_OK ? size : size / 2, at);
          return failed == SQLITE_OK ? written : failed;
        },
    .xTruncate =
        [](sqlite3_file* f, sqlite3_int64 size) {
          const int failed = disk.enter(false);
          return failed == SQLITE_OK ? real(f)->pMethods->xTruncate(real(f), size) : failed;
        },
    .xSync =
        [](sqlite3_file* f, int flags) {
          const int failed = disk.enter(false);
          return failed == SQLITE_OK ? real(f)->pMethods->xSync(real(f), flags) : failed;
        },
    .xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); },
    .xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); },
    .xUnlock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); },
    .xCheckReservedLock = [](sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); },
    .xFileControl = [](sqlite3_file* f, int verb,
                       void* with) { return real(f)->pMethods->xFileControl(real(f), verb, with); },
    .xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
    .xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
    .xShmMap = [](sqlite3_file* f, int page, int size, int extend,
                  void volatile** out) { return real(f)->pMethods->xShmMap(real(f), page, size, extend, out); },
    .xShmLock = [](sqlite3_file* f, int at, int n, int flags) { return real(f)->pMethods->xShmLock(real(f), at, n, flags); },
    .xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); },
    .xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  file->pMethods = nullptr;
  if ((flags & SQLITE_OPEN_CREATE) != 0) {
    if (const int failed = disk.enter(true); failed != SQLITE_OK) return failed == SQLITE_FULL ? failed : SQLITE_CANTOPEN;
  }
  const int opened = disk.real->xOpen(disk.real, name, real(file), flags, flags_out);
  if (opened == SQLITE_OK) file->pMethods = &kMethods;
  return opened;
}

int remove(sqlite3_vfs*, const char* name, int sync_folder) {
  const int failed = disk.enter(false);
  return failed == SQLITE_OK ? disk.real->xDelete(disk.real, name, sync_folder) : failed;
}

}  // namespace

FaultySqlite::FaultySqlite() {
  disk = {};
  disk.real = sqlite3_vfs_find(nullptr);
  disk.vfs = *disk.real;
  disk.vfs.zName = "faulty";
  disk.vfs.szOsFile = static_cast<int>(sizeof(File)) + disk.real->szOsFile;
  disk.vfs.xOpen = open;
  disk.vfs.xDelete = remove;
  sqlite3_vfs_register(&disk.vfs, 1);
}

FaultySqlite::~FaultySqlite() {
  sqlite3_vfs_unregister(&disk.vfs);
  sqlite3_vfs_register(disk.real, 1);
}

void FaultySqlite::fail(int code, int skip, int times) {
  disk.code = code;
  disk.skip = skip;
  disk.times = times;
  disk.failed = 0;
}

void FaultySqlite::fail_no_more() { disk.times = 0; }

int FaultySqlite::failed() const { return disk.failed; }

}  // namespace penstock::fakes
