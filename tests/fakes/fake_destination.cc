#include "tests/fakes/fake_destination.h"

#include <algorithm>

namespace penstock::fakes {
namespace {

std::vector<std::string> bodies_of(const Batch& batch) {
  std::vector<std::string> bodies;
  for (const auto& event : batch.events) bodies.emplace_back(event.body);
  return bodies;
}

std::size_t bytes_of(const Batch& batch) {
  std::size_t bytes = 0;
  for (const auto& event : batch.events) bytes += event.body.size();
  return bytes;
}

}  // namespace

class FakeDestination::Wire final : public Destination {
 public:
  explicit Wire(FakeDestination& end) : end_(end) {}
  Result<void> connect(std::stop_token) override { return end_.connect(); }
  void submit(Batch batch, Completion done) override { end_.submit(std::move(batch), std::move(done)); }
  void close() override { end_.close(); }
  std::string trouble() const override { return end_.trouble(); }

 private:
  FakeDestination& end_;
};

std::unique_ptr<Destination> FakeDestination::make() {
  const std::lock_guard lock(mutex_);
  ++connection_;
  connected_ = false;
  in_flight_ = 0;
  return std::make_unique<Wire>(*this);
}

void FakeDestination::fail_next(Outcome outcome, int times) {
  const std::lock_guard lock(mutex_);
  failures_.insert(failures_.end(), static_cast<std::size_t>(times), outcome);
}

void FakeDestination::answer_with(Answer answer) {
  const std::lock_guard lock(mutex_);
  answer_ = std::move(answer);
}

void FakeDestination::fail_connect(std::string reason, int times) {
  const std::lock_guard lock(mutex_);
  connect_failures_.insert(connect_failures_.end(), static_cast<std::size_t>(times), reason);
}

void FakeDestination::be_in_trouble(std::string trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

std::string FakeDestination::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void FakeDestination::cork() {
  const std::lock_guard lock(mutex_);
  corked_ = true;
}

void FakeDestination::freeze() {
  const std::lock_guard lock(mutex_);
  corked_ = true;
  frozen_ = true;
}

void FakeDestination::uncork() {
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    corked_ = false;
    frozen_ = false;
    waiting.swap(corked_in_);
  }
  for (auto& each : waiting) answer(std::move(each));
}

void FakeDestination::answer_one() {
  std::unique_lock lock(mutex_);
  if (corked_in_.empty()) return violations_.push_back("the test wanted an answer to nothing");
  Waiting oldest = std::move(corked_in_.front());
  corked_in_.pop_front();
  lock.unlock();
  answer(std::move(oldest));
}

Result<void> FakeDestination::connect() {
  const std::lock_guard lock(mutex_);
  ++connects_;
  if (in_flight_ > 0) violations_.push_back("connect while writes are in flight");
  if (!connect_failures_.empty()) {
    auto reason = std::move(connect_failures_.front());
    connect_failures_.pop_front();
    return fail(ErrorKind::unavailable, std::move(reason));
  }
  connected_ = true;
  return {};
}

void FakeDestination::submit(Batch batch, Completion done) {
  std::unique_lock lock(mutex_);
  if (!connected_) violations_.push_back("submit without a successful connect");
  if (batch.events.empty()) violations_.push_back("an empty batch");
  if (batch.bytes != bytes_of(batch)) violations_.push_back("a batch whose bytes are not the sum of its bodies");
  submitted_.push_back(bodies_of(batch));
  in_flight_high_ = std::max(in_flight_high_, ++in_flight_);
  Waiting waiting{std::move(batch), std::move(done), connection_};
  if (corked_) return corked_in_.push_back(std::move(waiting));
  lock.unlock();
  answer(std::move(waiting));
}

void FakeDestination::close() {
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    ++closes_;
    connected_ = false;
    if (frozen_) return;
    waiting.swap(corked_in_);
    for (const auto& each : waiting) in_flight_ -= each.connection == connection_ ? 1 : 0;
  }
  for (auto& each : waiting) {
    each.done(Outcomes::all(
        {.kind = Outcome::Kind::unavailable, .code = "closed", .reason = "closed before an answer", .retry_after = {}}));
  }
}

Outcomes FakeDestination::decide(const Batch& batch) {
  if (!failures_.empty()) {
    Outcome next = std::move(failures_.front());
    failures_.pop_front();
    return Outcomes::all(std::move(next));
  }
  return answer_ ? answer_(batch) : Outcomes::all(Outcome::delivered());
}

void FakeDestination::answer(Waiting waiting) {
  Outcomes outcomes;
  {
    const std::lock_guard lock(mutex_);
    if (waiting.connection == connection_) --in_flight_;
    outcomes = decide(waiting.batch);
    const auto& events = waiting.batch.events;
    const auto& each = outcomes.each;
    for (std::size_t i = 0; i < events.size() && (each.size() == 1 || each.size() == events.size()); ++i) {
      if (each[each.size() == 1 ? 0 : i].kind == Outcome::Kind::delivered) delivered_.emplace_back(events[i].body);
    }
  }
  waiting.done(std::move(outcomes));
}

std::vector<std::string> FakeDestination::delivered() const {
  const std::lock_guard lock(mutex_);
  return delivered_;
}

std::vector<std::vector<std::string>> FakeDestination::submitted() const {
  const std::lock_guard lock(mutex_);
  return submitted_;
}

std::vector<std::string> FakeDestination::violations() const {
  const std::lock_guard lock(mutex_);
  return violations_;
}

int FakeDestination::connects() const {
  const std::lock_guard lock(mutex_);
  return connects_;
}

int FakeDestination::closes() const {
  const std::lock_guard lock(mutex_);
  return closes_;
}

std::size_t FakeDestination::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

std::size_t FakeDestination::in_flight_high() const {
  const std::lock_guard lock(mutex_);
  return in_flight_high_;
}

}  // namespace penstock::fakes
