#include <doctest/doctest.h>

#include "connectors/destinations/discard/discard_destination.h"
#include "tests/conformance/destination_conformance.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::destinations::discard {
namespace {

struct NoHttp final : HttpClient {
  void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
};

}  // namespace

TEST_CASE("discard keeps the contract of destinations") {
  NoHttp http;
  fakes::ManualClock clock;
  conformance::destination_conformance({
      .make =
          [&] {
            return std::make_unique<DiscardDestination>(DiscardDestination::Config{},
                                                        ConnectorContext{"nowhere", "", clock, http});
          },
      .received = nullptr,
  });
}

TEST_CASE("every batch is delivered at once, and counted") {
  NoHttp http;
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

}  // namespace penstock::destinations::discard
