#include "tests/simulation/simulated_state.h"

#include "pipeline/event/sent_again.h"

namespace penstock::simulation {

template <class Record>
void SimulatedState::take(const Record& record) {
  for (const auto& moved : record.positions) now_.positions[{moved.source, moved.partition}] = moved.position;
  for (const auto& letter : record.dead) {
    if (is_sent_again(letter)) now_.dead.erase(dead_letter_id(letter));
    else now_.dead[dead_letter_id(letter)] = letter;
  }
  for (const auto& change : record.state) {
    if (change.removed) now_.rows.erase({change.table, change.key});
    else now_.rows[{change.table, change.key}] = {change.value, change.expires_at};
  }
  ++now_.next_sequence;
}

Result<void> SimulatedState::catch_up(Log& log) {
  TRY_ASSIGN(const auto reader, log.read_from_sequence(LogName::events, now_.next_sequence));
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) break;
    take(*record);
  }
  behind_ = false;
  return {};
}

Result<void> SimulatedState::open(Log& log) {
  now_ = flushed_;
  return catch_up(log);
}

void SimulatedState::apply(std::uint64_t sequence, const LogRecord& changes) {
  if (sequence < now_.next_sequence) return;
  if (refused_ || sequence > now_.next_sequence) behind_ = true;
  if (!behind_) take(changes);
}

Result<void> SimulatedState::recover(Log& log) { return behind_ ? catch_up(log) : Result<void>(); }

std::vector<SourcePosition> SimulatedState::positions_of(Log& log, const std::string& source) {
  // What cannot be caught up now is tried again when ingest asks again.
  if (!refused_) behind_ = !recover(log).has_value();
  std::vector<SourcePosition> found;
  for (const auto& [key, position] : now_.positions)
    if (key.first == source) found.push_back({source, key.second, position});
  return found;
}

Result<std::optional<StateValue>> SimulatedState::get(std::string_view table, std::string_view key, Timestamp) {
  if (behind_) return fail(ErrorKind::unavailable, "the derived state is behind the log");
  const auto found = now_.rows.find({std::string(table), std::string(key)});
  return found == now_.rows.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace penstock::simulation
