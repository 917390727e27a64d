#include "pipeline/event/attachment.h"

#include <doctest/doctest.h>

namespace penstock {

TEST_CASE("headers come back in their order, with values that are empty, none, or any bytes") {
  std::string headers;
  append_header(headers, {"a", "1"});
  append_header(headers, {"a", std::string_view("\0\xff", 2)});
  append_header(headers, {"", ""});
  append_header(headers, {"none", std::nullopt});
  std::vector<AttachedHeader> read;
  read_headers(headers, read);
  REQUIRE(read.size() == 4);
  CHECK(read[0].name == "a");
  CHECK(read[0].value == "1");
  CHECK(read[1].value == std::string_view("\0\xff", 2));
  CHECK(read[2].name.empty());
  CHECK(read[2].value == "");
  CHECK(read[3].name == "none");
  CHECK_FALSE(read[3].value.has_value());
}

TEST_CASE("each event of a chunk has its own, and some have none") {
  Attachments kept;
  CHECK(kept.empty());
  kept.add(1, {.key = "k", .time = {5}, .headers = "h"});
  kept.add(3, {.key = "", .time = {}, .headers = {}});
  kept.add(4, {.key = std::nullopt, .time = {7}, .headers = {}});
  for (const std::size_t event : {0, 2, 5, 100}) {
    CHECK_FALSE(kept.of(event).key.has_value());
    CHECK(kept.of(event).time.ms == 0);
    CHECK(kept.of(event).headers.empty());
  }
  CHECK(kept.of(1).key == "k");
  CHECK(kept.of(1).time.ms == 5);
  CHECK(kept.of(1).headers == "h");
  CHECK(kept.of(3).key == "");
  CHECK_FALSE(kept.of(4).key.has_value());
  CHECK(kept.of(4).time.ms == 7);
}

}  // namespace penstock
