#include "pipeline/kafka/pause.h"

#include <doctest/doctest.h>

#include <future>

namespace penstock::kafka {

TEST_CASE("a pause ends as soon as it is to stop") {
  std::stop_source source;
  auto paused = std::async(std::launch::async, [&] { return pause(Duration(3'600'000), source.get_token()); });
  source.request_stop();
  REQUIRE(paused.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK_FALSE(paused.get());
  CHECK_FALSE(pause(Duration(3'600'000), source.get_token()));
  CHECK(pause(Duration(1), {}));
}

}  // namespace penstock::kafka
