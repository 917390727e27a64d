#pragma once
// Scripts that try to hold the processor, the memory or the host: the data of red_team_test.cc (small limits, sanitizers) and
// bench/red_team_bench.cc (default limits, times). Test support, no part of the program.

#include <string>
#include <vector>

#include "pipeline/scripting/vm/limits.h"

namespace penstock::scripting {

struct Attack {
  enum class End : std::uint8_t { limit, error, value };

  std::string topic;
  std::string name;
  std::string script;
  End end = End::limit;
  Stop stop = Stop::none;  // which limit, when one ends it
  Stop or_stop = Stop::none;  // or this one: which of them comes first depends on how the limits stand to each other
  std::string says{};  // what the message contains, or the whole value returned
  int milliseconds = 100;  // over by then at default limits, on a machine with nothing else to do

  bool may_stop_by(Stop limit) const { return limit == stop || (limit != Stop::none && limit == or_stop); }
};

Attack stopped(std::string topic, std::string name, Stop stop, std::string script);
Attack refused(std::string topic, std::string name, std::string says, std::string script);
Attack harmless(std::string topic, std::string name, std::string value, std::string script);

std::vector<Attack> attacks_on_time();
std::vector<Attack> attacks_on_memory();
std::vector<Attack> attacks_on_host();
std::vector<Attack> all_attacks();

}  // namespace penstock::scripting
