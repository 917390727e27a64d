#pragma once
// The files of the apps that come with Penstock, as they stood in plugins/ when the program was built.

#include <span>
#include <string_view>

namespace penstock::scripting {

struct BundledFile {
  std::string_view path;  // "hash_fields/app.lua"
  std::string_view text;
};

// In order of their paths. Defined in a source that CMake writes.
std::span<const BundledFile> bundled_files();

}  // namespace penstock::scripting
