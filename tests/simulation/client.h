#pragma once
// One that sends events and wants to be told that they are safe. It has a request under way at a time, says it again when it
// was refused or heard nothing, and goes on to the next only when it was told "accepted". No other client has its distinct ids.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/ports/source.h"
#include "tests/simulation/chance.h"
#include "tests/simulation/sent_event.h"
#include "tests/simulation/trace.h"

namespace penstock::simulation {

using Request = std::vector<SentEvent>;

class Client {
 public:
  Client(std::string name, const Clock& clock, Chance& chance, Trace& trace)
      : name_(std::move(name)), clock_(clock), chance_(chance), trace_(trace) {}

  void plan(Request request) { planned_.push_back(std::move(request)); }
  // Sends, again or for the first time, if it is time to. False: it waits, or has nothing to send.
  bool act(Intake& intake);
  // Its connection is gone: it hears no answer any more.
  void disconnect();
  // It is tired of waiting for the answer and says it again, while the first may still be under way.
  void lose_patience() {
    if (state_ == State::waiting) disconnect();
  }

  bool done() const { return planned_.empty(); }
  bool waits() const { return state_ == State::waiting; }
  // What it does not know to be safe; nullptr: nothing.
  const Request* unanswered() const { return planned_.empty() ? nullptr : &planned_.front(); }
  const std::vector<SentEvent>& acknowledged() const { return acknowledged_; }

 private:
  enum class State : std::uint8_t { ready, waiting };

  void answered(const Result<Accepted>& answer);
  void check(const Accepted& accepted);

  const std::string name_;
  const Clock& clock_;
  Chance& chance_;
  Trace& trace_;
  State state_ = State::ready;
  SteadyTime again_at_{};
  std::shared_ptr<bool> listening_ = std::make_shared<bool>(true);  // to the request under way
  std::deque<Request> planned_;
  std::vector<SentEvent> acknowledged_;
};

}  // namespace penstock::simulation
