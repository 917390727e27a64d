#pragma once
// What every PolledSource must do, whatever it reads. Called from a connector's own test:
//
//   TEST_CASE("file keeps the contract of polled sources") {
//     TemporaryFolder folder;                       // made anew for every case below: each is a doctest SUBCASE
//     source_conformance({
//         .make = [&] { return file_source(folder.path() + "/in.ndjson"); },
//         .write = [&](const auto& bodies) { append_lines(folder.path() + "/in.ndjson", bodies); },
//     });
//   }

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/ports/source.h"

namespace penstock::conformance {

struct SourceUnderTest {
  // A new instance on the same input; not opened yet. Either it ends, or it is idle once everything was read.
  std::function<std::unique_ptr<PolledSource>()> make;
  // Adds records after those that are there. What is written in one call must be read in this order when one input
  // partition receives all of it.
  std::function<void(const std::vector<std::string>& bodies)> write;
  // How many input partitions `write` spreads records over; with one, order is checked too.
  std::size_t partitions = 1;
};

// One run of the calling TEST_CASE per case.
void source_conformance(const SourceUnderTest& under_test);

}  // namespace penstock::conformance
