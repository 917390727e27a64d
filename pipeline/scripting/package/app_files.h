#pragma once
// The files of an app: in a folder on disk, or in this program for an app that comes with it. The latter has a folder by name
// too, "bundled:/hash_fields", so that whatever reads an app by its folder reads both.

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

// The folder of all apps that come with the program; may stand among other folders that apps are looked for in.
inline constexpr std::string_view kBundledApps = "bundled:";

// Whether the folder, of one app or of all, is in the program. Such a file cannot be written, and never changes.
bool is_bundled(std::string_view folder);

// Whether there is such a regular file. `path` is the app's folder, a '/' and the name of the file.
bool has_app_file(const std::string& path);

// The whole of it, but for a byte order mark at its head, which some editors write and Lua's own loader skips. Kinds of errors: as config::Lookup::read_file, whose limit this is.
Result<std::string> read_app_file(const std::string& path);

// Paths of the Lua files of an app and of the folders below it, sorted; links are left out. At most 100, eight folders deep.
Result<std::vector<std::string>> lua_files(const std::string& folder);

// The folders in `place` that hold an app.yaml, sorted; none when there is no such place.
std::vector<std::string> apps_in(const std::string& place);

}  // namespace penstock::scripting
