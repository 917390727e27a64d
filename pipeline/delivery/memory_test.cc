// What a destination reads when the memory for chunks on their way is used up.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {

TEST_CASE("with no memory left a destination goes on, with one batch open at a time") {
  MemoryBudget memory(1000);
  memory.share_among(100'000);  // a share of nothing
  memory.add(1000);             // others hold it all
  Rig rig;
  rig.memory = &memory;
  rig.settings.batch.events = 10;
  rig.settings.in_flight_max = 4;
  rig.crm.cork();
  rig.start();
  for (int i = 0; i < 10; ++i) rig.add(10);
  CHECK_EQ(rig.crm.in_flight(), 1);
  for (std::size_t answered = 1; answered < 10; ++answered) {
    rig.crm.answer_one();
    rig.executor.run_ready();
    CHECK_EQ(rig.crm.in_flight(), 1);
    CHECK_EQ(rig.crm.delivered().size(), 10 * answered);
  }
  rig.crm.answer_one();
  rig.executor.run_ready();
  CHECK(rig.everything_settled());
  CHECK_EQ(rig.crm.delivered(), bodies(1, 100));
}

TEST_CASE("it reads on as soon as others give memory back") {
  MemoryBudget memory(1000);
  memory.share_among(100'000);
  memory.add(1000);
  Rig rig;
  rig.memory = &memory;
  rig.settings.batch.events = 10;
  rig.settings.in_flight_max = 4;
  rig.crm.cork();
  rig.start();
  for (int i = 0; i < 10; ++i) rig.add(10);
  CHECK_EQ(rig.crm.in_flight(), 1);
  memory.release(1);
  rig.executor.run_ready();
  CHECK_EQ(rig.crm.in_flight(), 4);
}

TEST_CASE("a share is a destination's own, whatever others hold") {
  MemoryBudget memory(20'000);
  memory.add(20'000);
  memory.share_among(1);
  Rig rig;
  rig.memory = &memory;
  rig.settings.batch.events = 10;
  rig.settings.in_flight_max = 1000;
  rig.crm.cork();
  rig.start();
  for (int i = 0; i < 100; ++i) rig.add(10);
  // Its chunks come to a few KiB each, so its share is a part of a hundred; what is over is at most one of them.
  const auto open = rig.crm.in_flight();
  CHECK_GT(open, 4);
  CHECK_LT(open, 50);
  rig.crm.answer_one();
  rig.executor.run_ready();
  CHECK_LE(rig.crm.in_flight(), open);
  CHECK_GE(rig.crm.in_flight(), open - 1);
}

}  // namespace penstock::delivery
