#include <doctest/doctest.h>

#include "connectors/destinations/discard/discard_destination.h"
#include "pipeline/config/document.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::destinations::discard {

void register_in(Registry& registry);

TEST_CASE("every batch is delivered at once, and counted") {
  struct NoHttp final : HttpClient {
    void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
  } http;
  fakes::ManualClock clock;
  DiscardDestination destination({}, ConnectorContext{"nowhere", "", clock, http});
  REQUIRE(destination.connect({}).has_value());
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    Batch batch;
    batch.events.resize(4);
    batch.bytes = 100;
    destination.submit(std::move(batch), [&](Outcomes outcomes) {
      ++answers;
      CHECK(outcomes.each.front().kind == Outcome::Kind::delivered);
    });
    CHECK(answers == i + 1);
  }
  destination.close();
  CHECK(destination.events() == 12);
  CHECK(destination.bytes() == 300);
}

TEST_CASE("the example in the reference is a configuration") {
  Registry registry;
  register_in(registry);
  const auto* type = registry.destinations.find("discard");
  REQUIRE(type != nullptr);
  auto document = config::parse_document("type: discard\n" + type->example, "example.yaml", {});
  config::StructReader reader(document.root, "example", document.problems);
  reader.allow("type");
  type->read(reader);
  CHECK_MESSAGE(reader.finish(), (document.problems.empty() ? "" : document.problems.front().to_string()));
}

}  // namespace penstock::destinations::discard
