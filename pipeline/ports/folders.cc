#include "pipeline/ports/folders.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "pipeline/ports/posix_disk.h"

namespace penstock {
namespace {

namespace fs = std::filesystem;

}  // namespace

Result<void> remove_folder(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) return fail(ErrorKind::io, fmt::format("remove {}: {}", folder, error.message()));
  return {};
}

Result<void> move_folder(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return fail(ErrorKind::io, fmt::format("move {} to {}: {}", from, to, error.message()));
  const auto parent = fs::path(to).parent_path();
  return posix_disk().sync_directory(parent.empty() ? "." : parent.string());
}

}  // namespace penstock
