#pragma once
// The chain of a simulation: what it does with an event stands in the event's name. It counts what it keeps, per distinct id,
// in state.

#include "pipeline/ports/transform.h"
#include "tests/simulation/sent_event.h"

namespace penstock::simulation {

inline constexpr const char* kCountTable = "chain";

class ContentChain final : public Transform {
 public:
  void begin_batch(Timestamp now, StateView* state) override {
    now_ = now;
    state_ = state;
  }
  void run(const json::ObjectIndex& body, const Facts& facts, bool, Transformed& out) override {
    out = {};
    if (facts.event == "drop") {
      out.kind = Transformed::Kind::dropped;
    } else if (facts.event == "fail") {
      out.kind = Transformed::Kind::failed;
      out.app = "content";
      out.code = "app_error";
      out.reason = "it was to fail";
    } else if (facts.event == "split") {
      out.events.assign(kSplitInto, {facts, body.text()});
      for (std::uint32_t i = 0; i < kSplitInto; ++i) out.events[i].facts.uuid = derived_uuid(facts.uuid, "split", i);
    } else {
      out.events.assign(1, {facts, body.text()});
      count(facts, out);
    }
  }
  std::uint64_t version() const override { return 7; }

 private:
  void count(const Facts& facts, Transformed& out) {
    const auto row = state_->get(kCountTable, facts.distinct_id, now_);
    if (!row) return;  // ingest sees that, too, and gives the batch up
    const int before = *row ? std::stoi((*row)->value) : 0;
    out.state.push_back({kCountTable, std::string(facts.distinct_id), std::to_string(before + 1), false, {}});
  }

  Timestamp now_;
  StateView* state_ = nullptr;
};

}  // namespace penstock::simulation
