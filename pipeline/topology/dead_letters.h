#pragma once
// Both kinds of dead letters as one list: ingest's, which live in derived state, and the destinations', in delivery's store.
// Of a running pipeline, or of a data folder that no process has open.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/ports/log.h"
#include "pipeline/state/derived_state.h"
#include "pipeline/topology/states.h"

namespace penstock::topology {

// invalid: the filter names a stage that there never was.
Result<std::vector<dead::Listed>> list_dead(const States::All& states, const delivery::DeliveryStore& store,
                                            const dead::Filter& filter, const dead::Page& page);
Result<DeadLetter> find_dead(const States::All& states, const delivery::DeliveryStore& store, const std::string& id);

// Which dead letters. With `ids`, only these; else those of the filter, whose empty fields mean any.
struct DeadLetterChoice {
  std::vector<std::string> ids;
  dead::Filter filter;
};

// What a walk needs of wherever the letters are.
struct DeadLetterShelf {
  std::function<Result<DeadLetter>(const std::string& id)> find;
  std::function<Result<std::vector<dead::Listed>>(const dead::Filter&, const dead::Page&)> list;
};

using PageAct = std::function<Result<std::uint64_t>(const std::vector<dead::Listed>&)>;

// Calls `act` for the letters that are there when it is called, page by page from the oldest, each at most once, whatever `act`
// makes of them; one that is new meanwhile is not met. The sum of what `act` says; the first error ends it.
Result<std::uint64_t> for_each_page(const DeadLetterShelf& shelf, const DeadLetterChoice& choice, const PageAct& act);

// Holds the folder as a process would, so one at a time; closes it when destroyed.
class StoppedPipeline {
 public:
  // conflict: a process has the folder. not_found: it is no data folder.
  static Result<StoppedPipeline> open(const std::string& data);

  Result<std::vector<dead::Listed>> list(const dead::Filter& filter, const dead::Page& page) const {
    return list_dead({state_}, *store_, filter, page);
  }
  Result<DeadLetter> find(const std::string& id) const { return find_dead({state_}, *store_, id); }

 private:
  std::unique_ptr<Log> log_;  // outlives the state
  std::shared_ptr<DerivedState> state_;
  std::unique_ptr<delivery::DeliveryStore> store_;
};

}  // namespace penstock::topology
