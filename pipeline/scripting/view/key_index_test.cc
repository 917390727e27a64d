#include "pipeline/scripting/view/key_index.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "pipeline/base/checksum.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

// Keys whose stable hashes begin in the same slot of every table of up to 4096.
std::vector<std::string> colliding_keys(std::size_t count) {
  std::vector<std::string> keys;
  for (std::uint64_t i = 0; keys.size() < count; ++i) {
    std::string key = "k" + std::to_string(i);
    if ((checksum(key) & 0xfff) == 5) keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

TEST_CASE("keys are found at the places they got") {
  KeyIndex index;
  std::vector<std::string> keys;
  for (int i = 0; i < 3000; ++i) index.add(keys.emplace_back("key" + std::to_string(i)));
  for (std::size_t i = 0; i < keys.size(); ++i)
    CHECK(index.find(keys[i], [&](std::size_t place) { return keys[place] == keys[i]; }) == i);
  CHECK(index.find("other", [&](std::size_t place) { return keys[place] == "other"; }) == ~std::size_t{0});
  index.clear();
  CHECK(index.find("key0", [](std::size_t) { return true; }) == ~std::size_t{0});
}

TEST_CASE("nobody can choose keys that make searching slow") {
  constexpr std::size_t kCount = 1000;
  KeyIndex index;
  const auto keys = colliding_keys(kCount);
  for (const std::string& key : keys) index.add(key);
  std::size_t steps = 0;
  for (const std::string& key : keys) steps += index.steps_of_missing(key);
  CHECK(steps < 20 * kCount);  // about 2.5 for each; 500 when they collide
}
