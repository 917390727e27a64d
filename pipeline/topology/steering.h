#pragma once
// What a person may tell a running pipeline besides a new configuration. Everything here is durable when it returns and
// survives a restart; nothing of it is written to the configuration.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/delivery/settings.h"
#include "pipeline/topology/builder.h"
#include "pipeline/topology/dead_letters.h"

namespace penstock::topology {

// As a person says it; see delivery/moment.h.
struct ReplayRequest {
  std::string from;
  std::string to = "now";
  std::string where;
  int rate = 0;  // events a second; 0: as fast as it goes
};

// One pipeline's, which outlives it. Any thread.
class Steering {
 public:
  // Calls `with` for the running destination of that name, or with null, and keeps it alive meanwhile.
  using Find = std::function<void(const std::string& name, const std::function<void(RunningDestination*)>& with)>;

  // Whether the configuration has it, running or not.
  using Planned = std::function<bool(const std::string& name)>;

  Steering(Parts& parts, Find find, Planned planned) : parts_(parts), find_(std::move(find)), planned_(std::move(planned)) {}

  // Also of one that does not run now: it goes by them when it starts. not_found: no destination has that name.
  Result<void> pause(const std::string& destination, const std::string& note);
  Result<void> resume(const std::string& destination);
  // nullopt: as the configuration says.
  Result<void> set_rate(const std::string& destination, const std::optional<delivery::RateSettings>& rate);

  // A copy of the data folder from which a pipeline goes on; see backup.h. Everything goes on meanwhile, which may be long.
  Result<BackupReport> back_up(const std::string& to) { return parts_.back_up(to); }

  // Sends what lies between two places in the log once more, beside what is live: at a rate, if one is given, and only what the
  // condition wants. How many events lie there. conflict: a replay is running; invalid: a place or the condition is wrong;
  // unavailable: the destination does not run now.
  Result<std::uint64_t> replay(const std::string& destination, const ReplayRequest& request);
  // not_found: there is none.
  Result<void> cancel_replay(const std::string& destination);

  // Those of destinations go through the destination's own retry lane, those of ingest into `captured`, to meet the apps as
  // they are now. Each that is there when this is called, once. How many there were; what becomes of them shows in status. A
  // letter of ingest is gone, or tried once more, when ingest has read it.
  Result<std::uint64_t> replay_dead(const DeadLetterChoice& choice);
  // How many there were.
  Result<std::uint64_t> discard_dead(const DeadLetterChoice& choice);

 private:
  Result<void> check_planned(const std::string& destination) const;
  Result<void> with_runner(const std::string& destination, const std::function<void(delivery::DestinationRunner&)>& act);
  void tell(const std::string& destination, const std::function<void(delivery::DestinationRunner&)>& act);
  DeadLetterShelf shelf() const;
  Result<std::uint64_t> push_letters(const std::vector<dead::Listed>& letters);
  ingest::KeptLetter kept(const dead::Listed& each) const;
  Result<void> discard_of_ingest(const std::vector<const dead::Listed*>& letters);

  Parts& parts_;
  const Find find_;
  const Planned planned_;
};

}  // namespace penstock::topology
