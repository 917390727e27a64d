#pragma once
// What every PushedSource must do, whoever pushes to it. Called from a connector's own test:
//
//   TEST_CASE("stdin keeps the contract of pushed sources") {
//     Pipe pipe;                                    // made anew for every case below: each is a doctest SUBCASE
//     pushed_source_conformance({
//         .make = [&] { return stdin_source(pipe.reader()); },
//         .send = [&](const auto& bodies) { pipe.write(lines_of(bodies)); },
//     });
//   }

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/ports/source.h"

namespace penstock::conformance {

struct PushedSourceUnderTest {
  // A new instance on the same input or address; not started yet. One lives at a time.
  std::function<std::unique_ptr<PushedSource>()> make;
  // Brings JSON objects to the instance made last, in this order, as a client that does not wait for its answer. It is called
  // when the source is stopped, too: then it may fail, but says nothing.
  std::function<void(const std::vector<std::string>& bodies)> send;
  // Optional. After `break_start` start() fails, after `mend_start` it succeeds; without them that case is left out.
  std::function<void()> break_start = nullptr;
  std::function<void()> mend_start = nullptr;
};

// One run of the calling TEST_CASE per case. Every wait in it but for stop() is bounded by ten seconds.
void pushed_source_conformance(const PushedSourceUnderTest& under_test);

}  // namespace penstock::conformance
