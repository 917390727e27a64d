#pragma once
// Derived state as pipeline/state promises it, without a database: applied commit by commit, durable only when it was flushed,
// made complete from the log at every start. It can be told to refuse commits, as a full disk would.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports/log.h"
#include "pipeline/ports/state_view.h"

namespace penstock::simulation {

class SimulatedState final : public StateView {
 public:
  // After a start: from the last flush, then what the log holds beyond. An error: the log does not have what it must.
  Result<void> open(Log& log);
  void apply(std::uint64_t sequence, const LogRecord& changes);
  void flush() { flushed_ = now_; }
  // Only what was flushed is left. Nothing is applied until the next open.
  void crash() {
    now_ = flushed_;
    behind_ = true;
  }

  void refuse(bool refused) { refused_ = refused; }
  bool behind() const { return behind_; }

  // After refusals: applies what the log holds beyond. Does nothing when there were none.
  Result<void> recover(Log& log);
  // Recovers first, if it can, as the pipeline does.
  std::vector<SourcePosition> positions_of(Log& log, const std::string& source);
  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) override;
  const std::map<std::string, DeadLetter>& dead_letters() const { return now_.dead; }  // by id
  std::uint64_t flushed_sequence() const { return flushed_.next_sequence; }

 private:
  struct Tables {
    std::uint64_t next_sequence = 0;
    std::map<std::pair<std::string, std::string>, std::string> positions;
    std::map<std::string, DeadLetter> dead;
    std::map<std::pair<std::string, std::string>, StateValue> rows;
  };

  template <class Record>
  void take(const Record& record);
  Result<void> catch_up(Log& log);

  Tables now_;
  Tables flushed_;
  bool refused_ = false;
  bool behind_ = false;
};

}  // namespace penstock::simulation
