#include "pipeline/topology/dead_letters.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>

namespace penstock::topology {
namespace {

// Letters by their ids, which are numbers here.
struct Shelf {
  explicit Shelf(int count) {
    for (int i = 0; i < count; ++i) put_new();
  }
  void put_new() { letters.emplace(fmt::format("{:06}", next++), DeadLetter{}); }

  std::vector<dead::Listed> list(const dead::Page& page) const {
    std::vector<dead::Listed> found;
    if (page.order == dead::Order::newest_first) {
      if (!letters.empty()) found.push_back({letters.rbegin()->first, letters.rbegin()->second});
      return found;
    }
    for (auto at = letters.upper_bound(page.after); at != letters.end() && !dead::fills(found, page); ++at)
      found.push_back({at->first, at->second});
    return found;
  }
  DeadLetterShelf port() {
    return {[this](const std::string& id) -> Result<DeadLetter> {
              const auto found = letters.find(id);
              if (found == letters.end()) return fail(ErrorKind::not_found, "there is no " + id);
              return found->second;
            },
            [this](const dead::Filter&, const dead::Page& page) -> Result<std::vector<dead::Listed>> { return list(page); }};
  }

  std::map<std::string, DeadLetter> letters;
  int next = 0;
};

}  // namespace

TEST_CASE("a walk over dead letters ends when each of them is a new one afterwards") {
  for (const int count : {0, 1, 500, 501, 1700}) {
    CAPTURE(count);
    Shelf shelf(count);
    std::multiset<std::string> met;
    const auto walked = for_each_page(shelf.port(), {}, [&](const auto& letters) -> Result<std::uint64_t> {
      for (const auto& each : letters) {
        met.insert(each.id);
        shelf.letters.erase(each.id);
        shelf.put_new();
      }
      if (met.size() > 10'000) return fail(ErrorKind::limit, "it does not end");
      return letters.size();
    });
    REQUIRE(walked.has_value());
    CHECK(*walked == static_cast<std::uint64_t>(count));
    CHECK(met.size() == static_cast<std::size_t>(count));
    CHECK(std::set(met.begin(), met.end()).size() == met.size());
    CHECK(shelf.letters.size() == met.size());
  }
}

TEST_CASE("a walk over dead letters that stay meets each of them once") {
  Shelf shelf(1200);
  std::uint64_t met = 0;
  const auto walked = for_each_page(shelf.port(), {}, [&](const auto& letters) -> Result<std::uint64_t> {
    met += letters.size();
    return letters.size();
  });
  CHECK(walked == 1200);
  CHECK(met == 1200);
}

TEST_CASE("letters of a megabyte are acted on a few at a time, chosen by a filter or by name") {
  Shelf shelf(100);
  DeadLetterChoice choice;
  for (auto& [id, letter] : shelf.letters) letter.body.resize(1 << 20);
  SUBCASE("all") {}
  SUBCASE("by name") {
    for (const auto& [id, letter] : shelf.letters) choice.ids.push_back(id);
  }
  std::size_t most = 0;
  const auto walked = for_each_page(shelf.port(), choice, [&](const auto& letters) -> Result<std::uint64_t> {
    most = std::max(most, letters.size());
    return letters.size();
  });
  CHECK(walked == 100);
  CHECK(most == 16);
}

TEST_CASE("a name that no letter has is refused before any letter is touched") {
  Shelf shelf(3);
  bool acted = false;
  const auto walked = for_each_page(shelf.port(), {.ids = {"000000", "nobody"}, .filter = {}}, [&](const auto& letters) {
    acted = true;
    return Result<std::uint64_t>(letters.size());
  });
  REQUIRE_FALSE(walked.has_value());
  CHECK(walked.error().kind == ErrorKind::not_found);
  CHECK_FALSE(acted);
}

}  // namespace penstock::topology
