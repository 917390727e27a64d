#include "pipeline/config/fields.h"

#include <doctest/doctest.h>

using namespace penstock;
using namespace penstock::config;

namespace {
enum class Format { ndjson, csv };
struct Inner {
  int events = 500;
  static constexpr auto fields() { return std::tuple{field("events", &Inner::events, "How many.", range(1, 1000))}; }
};
struct Outer {
  Url url;
  Format format = Format::csv;
  Duration timeout{5000};
  Bytes size = 64_MiB;
  std::optional<int> count;
  std::vector<std::string> names;
  std::vector<Inner> inners;
  StringMap headers;
  Inner batch;
  Node with;
  static constexpr auto fields() {
    return std::tuple{field("url", &Outer::url, "Where.", Need::required), field("format", &Outer::format, "How."),
                      field("timeout", &Outer::timeout, "Deadline."),      field("size", &Outer::size, "Size."),
                      field("count", &Outer::count, "Count."),             field("names", &Outer::names, "Names."),
                      field("inners", &Outer::inners, "Inners."),          field("headers", &Outer::headers, "Headers."),
                      field("batch", &Outer::batch, "Batch."),             field("with", &Outer::with, "With.")};
  }
};
}  // namespace
template <>
struct config::enum_names<Format> {
  static constexpr std::array names{std::pair{"ndjson", Format::ndjson}, std::pair{"csv", Format::csv}};
};

TEST_CASE("a missing required field is a problem") {
  Problems problems;
  const Node empty;
  StructReader reader(empty, "x", problems);
  Outer outer;
  CHECK_FALSE(reader.read(outer));
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message == "missing required field 'url'");
}
