#include "pipeline/state/state_folder.h"

#include <fmt/format.h>

#include <filesystem>

#include "pipeline/ports/folders.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::state {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> failed(std::string_view what, const std::string& path, const std::error_code& error) {
  return fail(ErrorKind::io, fmt::format("{} {}: {}", what, path, error.message()));
}

// RocksDB never writes to a table file again; it does to what lists them.
bool never_changes(const fs::path& file) { return file.extension() == ".sst"; }

Result<void> copy_one(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (never_changes(from)) {
    fs::create_hard_link(from, to, error);
    if (!error) return {};
  }
  fs::copy_file(from, to, error);
  if (error) return failed("copy to", to.string(), error);
  TRY_ASSIGN(const auto file, posix_disk().open_append(to.string()));
  return file->sync();
}

std::string old_of(const std::string& folder) { return folder + ".old"; }

}  // namespace

Result<void> copy_folder(const std::string& from, const std::string& to) {
  TRY(posix_disk().create_directories(to));
  std::error_code error;
  for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "LOCK" || name.starts_with("LOG")) continue;  // of whoever had it open
    TRY(copy_one(it->path(), fs::path(to) / name));
  }
  if (error) return failed("list", from, error);
  return posix_disk().sync_directory(to);
}

Result<void> swap_in(const std::string& made, const std::string& folder) {
  const std::string old = old_of(folder);
  TRY(remove_folder(old));
  TRY_ASSIGN(const bool there, posix_disk().exists(folder));
  if (there) TRY(move_folder(folder, old));
  TRY(move_folder(made, folder));
  return remove_folder(old);
}

Result<void> undo_broken_swap(const std::string& folder) {
  const std::string old = old_of(folder);
  TRY_ASSIGN(const bool broken, posix_disk().exists(old));
  if (!broken) return {};
  TRY_ASSIGN(const bool there, posix_disk().exists(folder));
  return there ? remove_folder(old) : move_folder(old, folder);
}

}  // namespace penstock::state
