#pragma once
// The Lua files of one app, read once: what is compiled, what `require` finds, and what the chain's version is made of.
// Later changes on disk do not reach a running app.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

struct AppSource {
  struct File {
    std::string module;  // as `require` names it: "lib.text" is lib/text.lua
    std::string name;    // for messages: "lib/text.lua"
    std::string text;
  };
  std::vector<File> files;  // in order of their names; regular files of the folder and below, no links
  std::uint64_t checksum = 0;

  const File* find(std::string_view module) const;

  // At most 100 files of 1 MiB; there must be an app.lua.
  static Result<AppSource> load(const std::string& folder);
};

}  // namespace penstock::scripting
