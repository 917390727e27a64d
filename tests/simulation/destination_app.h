#pragma once
// The app of one destination in a simulation: what it does with an event stands in the event's body.

#include <string>

#include "pipeline/ports/transform.h"
#include "tests/simulation/sent_event.h"

namespace penstock::simulation {

class DestinationApp final : public Transform {
 public:
  explicit DestinationApp(std::string destination) : destination_(std::move(destination)) {}

  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex& body, const Facts& facts, bool, Transformed& out) override {
    out = {};
    switch (app_at(body.text(), destination_)) {
      case AppDoes::nothing: out.events.assign(1, {facts, body.text()}); return;
      case AppDoes::changes:
        changed_ = changed_by_app(body.text(), destination_);
        out.events.assign(1, {facts, changed_});
        return;
      case AppDoes::drops: out.kind = Transformed::Kind::dropped; return;
      case AppDoes::fails:
        out.kind = Transformed::Kind::failed;
        out.app = "of_destination";
        out.code = "app_error";
        out.reason = "it was to fail";
        return;
    }
  }
  std::uint64_t version() const override { return 3; }

 private:
  const std::string destination_;
  std::string changed_;
};

}  // namespace penstock::simulation
