// What the catalogue says of each connector is true. A new one is tested because it is registered.
#include <doctest/doctest.h>

#include "pipeline/config/document.h"
#include "pipeline/registry/registered_connectors.h"
#include "pipeline/registry/registry.h"
#include "tests/fakes/manual_clock.h"

namespace penstock {
namespace {

struct NoHttp final : HttpClient {
  void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
};

template <class Made>
void check_all(const ConnectorTypes<Made>& types) {
  CHECK_FALSE(types.all().empty());
  fakes::ManualClock clock;
  NoHttp http;
  for (const auto& [name, type] : types.all()) {
    CAPTURE(name);
    CHECK(type.name == name);
    CHECK(type.summary.ends_with('.'));
    REQUIRE(type.settings != nullptr);
    auto document = config::parse_document("type: " + name + "\n" + type.example, "example.yaml", {});
    config::StructReader reader(document.root, "example", document.problems);
    reader.allow("type");
    const auto plan = type.read(reader);
    REQUIRE_MESSAGE(reader.finish(), (document.problems.empty() ? "" : document.problems.front().to_string()));
    const auto built = plan.build(ConnectorContext{"example", ".", clock, http});
    CHECK_MESSAGE(built.has_value(), (built ? "" : built.error().message));
  }
}

Registry registry() {
  Registry all;
  register_connectors(all);
  return all;
}

}  // namespace

TEST_CASE("the example of every source is a configuration, and one is built from it") { check_all(registry().sources); }
TEST_CASE("the example of every destination is a configuration, and one is built from it") {
  check_all(registry().destinations);
}

}  // namespace penstock
