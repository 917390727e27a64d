#pragma once
// What a process says of its sources in each commit, so that others of the group see that theirs are not the same. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/uuid.h"

namespace penstock::logs::kafka {

struct SourcePrint {
  std::string name;
  std::uint32_t print = 0;  // of what its events are read by; equal for equal meaning, in every version
  friend bool operator==(const SourcePrint&, const SourcePrint&) = default;
};
using SourcePrints = std::vector<SourcePrint>;

std::string encode(const SourcePrints& sources);
// Nullopt: nothing is said, or in a way that this program does not know.
std::optional<SourcePrints> read_source_prints(std::string_view stored);
// Which source is not the same there, in a sentence; empty: all of them are. `there` are those of that process.
std::string difference(const SourcePrints& here, const SourcePrints& there, const Uuid& process);

}  // namespace penstock::logs::kafka
