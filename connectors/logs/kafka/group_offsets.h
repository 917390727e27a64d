#pragma once
// Shows how far each destination is to everybody who looks at consumer groups: the group PREFIX.DESTINATION has the destination's cursor
// as its offsets in the topic of events. Nobody consumes with these groups; they are told, every five seconds, and lost if
// brokers do not take them.

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

// What is committed for that destination, kNoOffset where nothing is; and committing it. Block for a moment; any thread.
Result<Offsets> committed_cursor(const Config& config, const std::string& reader, int partitions);
Result<void> commit_cursor(const Config& config, const std::string& reader, const Offsets& settled);

class GroupOffsets {
 public:
  struct Cursor {
    std::string reader;
    Offsets settled;  // kNoOffset where another process is at work
  };
  // Asked on the thread of this.
  using Ask = std::function<std::vector<Cursor>()>;

  GroupOffsets(Config config, Ask ask);
  // Asks once more. Blocks for a moment if no broker answers.
  ~GroupOffsets();
  GroupOffsets(const GroupOffsets&) = delete;
  GroupOffsets& operator=(const GroupOffsets&) = delete;

 private:
  void run(const std::stop_token& stop);
  void look();

  const Config config_;
  const Ask ask_;
  // The thread's.
  std::map<std::string, Offsets> shown_;
  std::chrono::steady_clock::time_point show_again_;
  std::string told_;

  std::jthread thread_;
};

}  // namespace penstock::logs::kafka
