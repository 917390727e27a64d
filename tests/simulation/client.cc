#include "tests/simulation/client.h"

#include <algorithm>
#include <utility>

namespace penstock::simulation {

bool Client::act(Intake& intake) {
  if (planned_.empty() || state_ == State::waiting || clock_.steady() < again_at_) return false;
  const Request& request = planned_.front();
  PushedRecords records;
  std::size_t bytes = 0;
  for (const auto& event : request) bytes += event.body.size();
  records.text.reserve(bytes);  // the views below stay where they are
  for (const auto& event : request) {
    const auto at = records.text.size();
    records.text += event.body;
    records.bodies.emplace_back(records.text.data() + at, event.body.size());
    trace_.say("{}: sends {} {} of {}, number {}", name_, event.name, event.uuid.to_string().substr(0, 8), event.distinct_id,
               event.sequence);
  }
  state_ = State::waiting;
  intake.push(std::move(records), [this, listening = listening_](const Result<Accepted>& answer) {
    if (*listening) answered(answer);
  });
  return true;
}

void Client::disconnect() {
  *listening_ = false;
  listening_ = std::make_shared<bool>(true);
  state_ = State::ready;
}

void Client::answered(const Result<Accepted>& answer) {
  state_ = State::ready;
  if (!answer) {
    if (answer.error().kind != ErrorKind::unavailable) trace_.wrong("{}: is told {}", name_, answer.error().message);
    trace_.say("{}: is told to come again: {}", name_, answer.error().message);
    again_at_ = clock_.steady() + Duration{chance_.between(10, 1000)};
    return;
  }
  check(*answer);
  if (chance_.one_in(12)) {
    trace_.say("{}: does not hear that it was accepted", name_);
    return;
  }
  trace_.say("{}: is told \"accepted\"", name_);
  std::ranges::move(planned_.front(), std::back_inserter(acknowledged_));
  planned_.pop_front();
}

void Client::check(const Accepted& accepted) {
  const Request& request = planned_.front();
  const auto is_invalid = [](const SentEvent& event) { return event.kind == Kind::invalid; };
  const auto invalid = static_cast<std::size_t>(std::ranges::count_if(request, is_invalid));
  if (accepted.rejected.size() != invalid || accepted.accepted != request.size() - invalid)
    trace_.wrong("{}: {} of {} were accepted, {} refused", name_, accepted.accepted, request.size(),
                 accepted.rejected.size());
  for (const auto& rejection : accepted.rejected)
    if (rejection.index >= request.size() || !is_invalid(request[rejection.index]))
      trace_.wrong("{}: element {} was refused: {}", name_, rejection.index, rejection.reason);
}

}  // namespace penstock::simulation
