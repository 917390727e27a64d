// What a destination reads when the memory for chunks on their way is used up.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

// Others hold all of it.
void use_up(MemoryBudget& memory, std::size_t users) {
  memory.share_among(users);
  memory.add(memory.max());
}

// Records of ten events, read by a destination that answers nothing yet.
void read_corked(Rig& rig, MemoryBudget& memory, int in_flight_max, int records) {
  rig.memory = &memory;
  rig.settings.batch.events = 10;
  rig.settings.in_flight_max = in_flight_max;
  rig.crm.cork();
  rig.start();
  for (int i = 0; i < records; ++i) rig.add(10);
}

}  // namespace

TEST_CASE("with no memory left a destination goes on, with one batch open at a time") {
  MemoryBudget memory(1000);
  use_up(memory, 100'000);  // a share of nothing
  Rig rig;
  read_corked(rig, memory, 4, 10);
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
  use_up(memory, 100'000);
  Rig rig;
  read_corked(rig, memory, 4, 10);
  CHECK_EQ(rig.crm.in_flight(), 1);
  memory.release(1);
  rig.executor.run_ready();
  CHECK_EQ(rig.crm.in_flight(), 4);
}

TEST_CASE("dead letters that a disk does not take yet keep the destination from reading on, by their bytes") {
  Rig rig;
  fakes::ManualExecutor disk{rig.clock};
  rig.storing = &disk;
  rig.settings.suspend.share = 1;
  int read = 0;
  rig.start([&](std::string_view, const Facts&) -> Result<bool> {
    ++read;
    return fail(ErrorKind::invalid, "it fails on everything");
  });
  for (int i = 0; i < 40; ++i) {
    std::vector<fakes::SampleEvent> event(1);
    event[0].body = R"({"event":"signup","n":)" + std::to_string(i) + R"(,"text":")" + std::string(1 << 20, 'x') + R"("})";
    rig.log.add(LogName::events, event);
  }
  rig.wake();
  rig.pass_within();
  CHECK_LE(read, 6);
  for (int i = 0; i < 100 && !rig.everything_settled(); ++i) {
    disk.run_ready();
    rig.executor.run_ready();
    rig.pass_within();
  }
  CHECK_EQ(read, 40);
  CHECK(rig.everything_settled());
  CHECK_EQ(rig.runner->status().dead, 40);
}

TEST_CASE("a share is a destination's own, whatever others hold") {
  MemoryBudget memory(20'000);
  use_up(memory, 1);
  Rig rig;
  read_corked(rig, memory, 1000, 100);
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
