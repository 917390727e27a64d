#include "pipeline/scripting/package/app_source.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "pipeline/base/checksum.h"
#include "pipeline/config/lookup.h"

namespace penstock::scripting {
namespace {

namespace fs = std::filesystem;
constexpr Bytes kFileMax = 1_MiB;
constexpr std::size_t kFilesMax = 100;
constexpr int kDepthMax = 8;

Result<std::vector<fs::path>> lua_files(const std::string& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it.depth() > kDepthMax) it.disable_recursion_pending();
    if (it->is_symlink(error) || !it->is_regular_file(error) || it->path().extension() != ".lua") continue;
    found.push_back(it->path());
    if (found.size() > kFilesMax)
      return fail(ErrorKind::limit, fmt::format("{}: more than {} Lua files", folder, kFilesMax));
  }
  if (error) return fail(ErrorKind::io, fmt::format("{}: {}", folder, error.message()));
  std::ranges::sort(found);
  return found;
}

}  // namespace

const AppSource::File* AppSource::find(std::string_view module) const {
  const auto it = std::ranges::find(files, module, &File::module);
  return it == files.end() ? nullptr : &*it;
}

Result<AppSource> AppSource::load(const std::string& folder) {
  TRY_ASSIGN(const auto paths, lua_files(folder));
  AppSource source;
  std::string all;
  for (const fs::path& path : paths) {
    const auto text = config::process_lookup().read_file(path.string(), kFileMax);
    if (!text) return fail(text.error().context(path.string()));
    File file;
    file.name = path.lexically_relative(folder).generic_string();
    file.module = file.name.substr(0, file.name.size() - 4);
    std::ranges::replace(file.module, '/', '.');
    file.text = *text;
    fmt::format_to(std::back_inserter(all), "{}\n{}\n", file.name, file.text.size());
    all += file.text;
    source.files.push_back(std::move(file));
  }
  if (source.find("app") == nullptr) return fail(ErrorKind::not_found, fmt::format("{}: there is no app.lua", folder));
  source.checksum = penstock::checksum(all);
  return source;
}

}  // namespace penstock::scripting
