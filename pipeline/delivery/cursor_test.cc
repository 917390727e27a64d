// How much is delivered again by the next life, when one ends by kill -9.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {

TEST_CASE("what the first batch settled is not delivered again by a life that was shorter than a second") {
  Rig rig;
  rig.start();
  rig.add(5);
  rig.pass_within();
  REQUIRE(rig.crm.delivered().size() == 5);
  rig.crash();
  rig.start();
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 5));
}

TEST_CASE("a life that was shorter than a second gives again no more than its last tenth of a second") {
  Rig rig;
  rig.settings.batch.within = Duration{10};
  rig.start();
  for (int i = 0; i < 10; ++i) {
    rig.add(10);
    rig.advance(Duration{60});
  }
  rig.advance(Duration{40});
  REQUIRE(rig.crm.delivered().size() == 100);
  rig.crash();
  rig.start();
  rig.advance(Duration{100});
  CHECK(rig.crm.delivered().size() <= 110);
}

TEST_CASE("what was delivered last is saved, though nothing comes after it") {
  Rig rig;
  rig.settings.batch.within = Duration{10};
  rig.start();
  rig.add(10);
  rig.advance(Duration{20});
  rig.add(10);
  rig.advance(Duration{120});
  REQUIRE(rig.crm.delivered().size() == 20);
  rig.crash();
  rig.start();
  rig.advance(Duration{100});
  CHECK(rig.crm.delivered().size() == 20);
}

}  // namespace penstock::delivery
