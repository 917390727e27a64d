#pragma once
// The other end of a destination, as a test sees it: what arrived, and what it answers. The Destination that `make` gives to
// the code under test is only a wire to this object, which must outlive it.
//
//   FakeDestination crm;
//   crm.fail_next({.kind = Outcome::Kind::unavailable, .code = "http_503", .reason = "down"});
//   … run …
//   CHECK(crm.delivered() == bodies);
//   CHECK(crm.violations().empty());
//
// It answers within submit() unless corked. It also watches the caller: whoever submits before connect, after close, an empty
// batch or a wrong byte count finds a sentence about it in `violations`. A new `make` is a new connection, as after a crash:
// what the one before still has in flight is answered to nobody's harm and counts no more. Thread-safe.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports/destination.h"

namespace penstock::fakes {

class FakeDestination {
 public:
  using Answer = std::function<Outcomes(const Batch&)>;

  std::unique_ptr<Destination> make();

  // What it answers: the failures asked for first, then `answer`, or else delivered.
  void fail_next(Outcome outcome, int times = 1);
  void answer_with(Answer answer);
  void deliver_everything() { answer_with(nullptr); }
  void fail_connect(std::string reason, int times = 1);
  void be_in_trouble(std::string trouble);  // empty: not any more

  // Corked, it keeps what comes without answering. `uncork` answers it all in the order it came, `answer_one` the oldest.
  // close() answers the rest as unavailable, as the contract wants, unless it is `frozen`: then it never answers.
  void cork();
  void freeze();
  void uncork();
  void answer_one();

  std::vector<std::string> delivered() const;  // bodies answered as delivered, in that order
  std::vector<std::vector<std::string>> submitted() const;  // bodies of each batch, whatever was answered
  std::vector<std::string> violations() const;
  int connects() const;
  int closes() const;
  std::size_t in_flight() const;  // of the newest connection
  std::size_t in_flight_high() const;  // the most there ever were

 private:
  class Wire;
  struct Waiting {
    Batch batch;
    Completion done;
    int connection;
  };

  Result<void> connect();
  void submit(Batch batch, Completion done);
  void close();
  std::string trouble() const;
  void answer(Waiting waiting);
  Outcomes decide(const Batch& batch);  // with mutex_ held

  mutable std::mutex mutex_;
  // All guarded by mutex_.
  std::deque<Outcome> failures_;
  Answer answer_;
  std::deque<std::string> connect_failures_;
  std::string trouble_;
  std::deque<Waiting> corked_in_;
  bool corked_ = false;
  bool frozen_ = false;
  bool connected_ = false;
  int connection_ = 0;
  std::vector<std::string> delivered_;
  std::vector<std::vector<std::string>> submitted_;
  std::vector<std::string> violations_;
  int connects_ = 0;
  int closes_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t in_flight_high_ = 0;
};

}  // namespace penstock::fakes
