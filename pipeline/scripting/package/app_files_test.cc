#include "pipeline/scripting/package/app_files.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "pipeline/scripting/package/app_source.h"
#include "pipeline/scripting/package/manifest.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

std::string on_disk(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the program holds every app of plugins/, byte for byte") {
  std::size_t apps = 0;
  for (const auto& entry : std::filesystem::directory_iterator("plugins")) {
    if (!entry.is_directory()) continue;
    ++apps;
    for (const auto& file : std::filesystem::recursive_directory_iterator(entry.path())) {
      if (!file.is_regular_file()) continue;
      const std::string name = file.path().lexically_relative("plugins").string();
      CAPTURE(name);
      CHECK(read_app_file("bundled:/" + name).value_or("not there") == on_disk(file.path()));
    }
  }
  CHECK(apps >= 16);
  CHECK(apps_in(std::string(kBundledApps)).size() == apps);
}

TEST_CASE("an app in the program is read as one in a folder") {
  for (const std::string& folder : apps_in("plugins")) {
    CAPTURE(folder);
    const std::string bundled = "bundled:/" + folder.substr(folder.find('/') + 1);
    const auto source = AppSource::load(bundled);
    REQUIRE(source);
    CHECK(source->checksum == AppSource::load(folder).value().checksum);
    config::Problems problems;
    REQUIRE(Manifest::load(bundled, problems));
    CHECK(Manifest::load(bundled, problems)->name == Manifest::load(folder, problems)->name);
  }
}

TEST_CASE("what is not in the program is told") {
  CHECK(read_app_file("bundled:/nothing/app.lua").error().kind == ErrorKind::not_found);
  CHECK_FALSE(has_app_file("bundled:/nothing/app.yaml"));
  CHECK_FALSE(has_app_file("bundled:/hash_fields"));
  CHECK(AppSource::load("bundled:/nothing").error().message == "bundled:/nothing: there is no app.lua");
  CHECK(AppSource::load("bundled:/hash").error().message == "bundled:/hash: there is no app.lua");
  CHECK(is_bundled("bundled:"));
  CHECK(is_bundled("bundled:/hash_fields"));
  CHECK_FALSE(is_bundled("bundled:x"));
  CHECK_FALSE(is_bundled("plugins/hash_fields"));
  CHECK(apps_in("no/such/place").empty());
}
