#pragma once
// Shows how far a source was read to everybody who looks at consumer groups: what ingest has committed, as the group's offsets. Nobody
// consumes with the group. It is told every few seconds, and lost if brokers do not take it: where to go on is in ingest's own
// commits.

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/kafka/client_settings.h"
#include "pipeline/ports/log.h"

namespace penstock::sources::kafka {

class GroupProgress {
 public:
  // Asked on the thread of this.
  using Ask = std::function<Result<std::vector<SourcePosition>>()>;

  GroupProgress(std::string source, std::string group, penstock::kafka::Settings settings, Ask ask);
  // Asks once more. Blocks for a moment if no broker answers.
  ~GroupProgress();
  GroupProgress(const GroupProgress&) = delete;
  GroupProgress& operator=(const GroupProgress&) = delete;

 private:
  void run(const std::stop_token& stop);
  void look();
  Result<void> show();

  const std::string source_;
  const std::string group_;
  const penstock::kafka::Settings settings_;
  const Ask ask_;
  // The thread's.
  std::map<std::string, std::vector<std::uint64_t>> shown_;  // by topic
  std::string told_;

  std::jthread thread_;
};

}  // namespace penstock::sources::kafka
