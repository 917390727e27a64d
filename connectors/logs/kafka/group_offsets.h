#pragma once
// Shows how far each destination is to everybody who looks at consumer groups: the group PREFIX.DESTINATION has the destination's cursor
// as its offsets in the topic of events. Nobody consumes with these groups; they are told, every five seconds, and lost if
// brokers do not take them.

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

class GroupOffsets {
 public:
  struct Cursor {
    std::string reader;
    Offsets settled;
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
  Result<void> show(const Cursor& cursor) const;

  const Config config_;
  const Ask ask_;
  // The thread's.
  std::map<std::string, Offsets> shown_;
  std::string told_;

  std::jthread thread_;
};

}  // namespace penstock::logs::kafka
