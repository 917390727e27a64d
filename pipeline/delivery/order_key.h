#pragma once
// What `order: key` keeps in order: the events of one distinct id of one project.

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/checksum.h"
#include "pipeline/event/dead_letter.h"
#include "pipeline/event/facts.h"

namespace penstock::delivery {

using OrderKey = std::uint64_t;

// An event without distinct id has no order to keep: 0. Two ids with one hash wait for each other, once in 10^19 pairs.
inline OrderKey order_key(std::string_view project, std::string_view distinct_id) {
  if (distinct_id.empty()) return 0;
  std::string both(project);
  both.push_back('\0');
  both.append(distinct_id);
  return checksum(both);
}
// The first dead letter of a key: its place in the partition.
struct FirstDead {
  OrderKey key = 0;
  std::uint64_t offset = 0;
};

inline OrderKey key_of(const Facts& facts) { return order_key(facts.project, facts.distinct_id); }
inline OrderKey key_of(const DeadLetter& letter) { return order_key(letter.project, letter.distinct_id); }

}  // namespace penstock::delivery
