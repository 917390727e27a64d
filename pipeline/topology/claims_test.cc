#include "pipeline/topology/claims.h"

#include <doctest/doctest.h>

#include "pipeline/config/document.h"

namespace penstock::topology {
namespace {

Claim file(std::string path) { return {.field = "path", .file = std::move(path)}; }
Claim address(std::string host, int port) {
  return {.field = "listen", .address = config::ListenAddress{std::move(host), port}};
}

// The problem that the second entry has, if any; they stand at lines 2 and 3.
std::string second(const Claim& a, const Claim& b) {
  const auto document =
      config::parse_document("list:\n  - { name: a, path: x, listen: x }\n  - { name: b, path: x, listen: x }\n",
                             "penstock.yaml", config::Lookup{});
  REQUIRE(document.readable);
  const auto& items = document.root.find("list")->items;
  Claims claims("folder", "folder/data");
  config::Problems problems;
  claims.take({a}, items[0], "list[0] (a)", problems);
  CHECK(problems.empty());
  claims.take({b}, items[1], "list[1] (b)", problems);
  return problems.empty() ? "" : problems.front().to_string();
}

}  // namespace

TEST_CASE("two entries that write one file are told with both places, however it is written") {
  const std::string says =
      "penstock.yaml:3:22: list[1] (b).path: list[0] (a) at penstock.yaml:2:22 writes this file too: give one of them "
      "another";
  CHECK(second(file("./out.ndjson"), file("out.ndjson")) == says);
  CHECK(second(file("a/../out.ndjson"), file("../folder/out.ndjson")) == says);
  CHECK(second(file("out.ndjson"), file("out2.ndjson")).empty());
}

TEST_CASE("two entries that listen at one place are told with both places") {
  const std::string says =
      "penstock.yaml:3:33: list[1] (b).listen: list[0] (a) at penstock.yaml:2:33 listens at this address and port too: give "
      "one "
      "of them another";
  CHECK(second(address("127.0.0.1", 8000), address("127.0.0.1", 8000)) == says);
  CHECK(second(address("0.0.0.0", 8000), address("127.0.0.1", 8000)) == says);
  CHECK(second(address("127.0.0.1", 8000), address("127.0.0.1", 8001)).empty());
  CHECK(second(address("127.0.0.1", 8000), address("127.0.0.2", 8000)).empty());
  CHECK(second(address("127.0.0.1", 0), address("127.0.0.1", 0)).empty());
  CHECK(second(address("127.0.0.1", 8000), file("out")).empty());
}

TEST_CASE("a file among those of the data folder is told") {
  const std::string says =
      "penstock.yaml:3:22: list[1] (b).path: this is where the data folder keeps its own files: name one that is not among "
      "them";
  CHECK(second(file("out"), file("data/log/events/x.ndjson")) == says);
  CHECK(second(file("out"), file("data/catalog.db")) == says);
  CHECK(second(file("out"), file("./data/../data/delivery")) == says);
  CHECK(second(file("out"), file("data/mine.ndjson")).empty());
  CHECK(second(file("out"), file("database/log")).empty());
}

}  // namespace penstock::topology
