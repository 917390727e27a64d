#pragma once
// What every Destination must do, whatever it writes to. Called from a connector's own test:
//
//   TEST_CASE("file keeps the contract of destinations") {
//     TemporaryFolder folder;                       // made anew for every case below: each is a doctest SUBCASE
//     destination_conformance({
//         .make = [&] { return file_destination(folder.path() + "/out.ndjson"); },
//         .received = [&] { return lines_of(folder.path() + "/out.ndjson"); },
//     });
//   }

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/ports/destination.h"

namespace penstock::conformance {

struct DestinationUnderTest {
  // A new instance on the same place; not connected yet.
  std::function<std::unique_ptr<Destination>()> make;
  // The bodies that have arrived so far, in the order of arrival. Called when everything submitted was answered. Null for one
  // that keeps nothing: then only its answers are looked at.
  std::function<std::vector<std::string>()> received;
  // Optional. After `break_connect` connect() fails, after `mend_connect` it succeeds; without them that case is left out.
  std::function<void()> break_connect = nullptr;
  std::function<void()> mend_connect = nullptr;
  // Optional. After `break_writes` the peer takes nothing, through no fault of the events, until `mend_writes`.
  std::function<void()> break_writes = nullptr;
  std::function<void()> mend_writes = nullptr;
};

// One run of the calling TEST_CASE per case. Every wait in it is bounded by ten seconds.
void destination_conformance(const DestinationUnderTest& under_test);

}  // namespace penstock::conformance
