#include "pipeline/ports/folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "pipeline/ports/posix_disk.h"

namespace penstock {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> cannot_look(const std::string& path, const std::error_code& error) {
  return fail(ErrorKind::io, fmt::format("{} cannot be looked at: {}", path, error.message()));
}

Result<fs::path> canonical(const std::string& path) {
  std::error_code error;
  auto found = fs::weakly_canonical(path, error);
  if (error) return cannot_look(path, error);
  return found;
}

}  // namespace

Result<bool> is_there(const std::string& path) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  if (error) return cannot_look(path, error);
  return there;
}

Result<std::string> absolute_path(const std::string& path) {
  std::error_code error;
  const auto found = fs::absolute(path, error);
  if (error) return cannot_look(path, error);
  return found.string();
}

Result<bool> is_inside(const std::string& path, const std::string& folder) {
  TRY_ASSIGN(const auto inner, canonical(path));
  TRY_ASSIGN(const auto outer, canonical(folder));
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

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
