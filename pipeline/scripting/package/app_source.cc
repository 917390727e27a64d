#include "pipeline/scripting/package/app_source.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "pipeline/base/checksum.h"
#include "pipeline/scripting/package/app_files.h"

namespace penstock::scripting {

const AppSource::File* AppSource::find(std::string_view module) const {
  const auto it = std::ranges::find(files, module, &File::module);
  return it == files.end() ? nullptr : &*it;
}

Result<AppSource> AppSource::load(const std::string& folder) {
  TRY_ASSIGN(const auto paths, lua_files(folder));
  AppSource source;
  std::string all;
  for (const std::string& path : paths) {
    const auto text = read_app_file(path);
    if (!text) return fail(text.error().context(path));
    File file;
    file.name = std::filesystem::path(path).lexically_relative(folder).generic_string();
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
