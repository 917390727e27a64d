#include <doctest/doctest.h>

#include "tests/conformance/destination_conformance.h"
#include "tests/fakes/fake_destination.h"

namespace penstock::fakes {

TEST_CASE("the fake keeps the contract of destinations") {
  FakeDestination fake;
  conformance::destination_conformance({
      .make = [&] { return fake.make(); },
      .received = [&] { return fake.delivered(); },
      .break_connect = [&] { fake.fail_connect("not there"); },
      .mend_connect = [] {},
      .break_writes =
          [&] {
            fake.answer_with([](const Batch&) {
              return Outcomes::all({Outcome::Kind::unavailable, "http_503", "503: down", {}, false});
            });
          },
      .mend_writes = [&] { fake.deliver_everything(); },
  });
  CHECK(fake.violations().empty());
}

}  // namespace penstock::fakes
