#pragma once
// What every Log must do, whatever keeps it: the local disk, Kafka. Each implementation's test gives a harness and calls
// `log_conformance` inside a TEST_CASE; the cases are subcases of it, each with a log of its own.

#include <functional>
#include <memory>

#include "pipeline/ports/log.h"

namespace penstock::conformance {

class LogHarness {
 public:
  virtual ~LogHarness() = default;
  virtual Log& log() = 0;
  // Closes the log in good order and opens it again over the same storage.
  virtual void reopen() = 0;
  // From now on what is appended does not become durable, until let_go. False: this harness cannot do that, and the cases
  // that need it are passed over.
  virtual bool hold_back() { return false; }
  virtual void wait_until_held() {}  // returns when an append is being held back
  virtual void let_go() {}
  // Whether offsets pass over none, so that they can be told beforehand.
  virtual bool counts_exactly() { return true; }
};

// An empty log of kPartitions partitions.
using MakeLog = std::function<std::unique_ptr<LogHarness>()>;
inline constexpr int kPartitions = 4;

void log_conformance(const MakeLog& make);

}  // namespace penstock::conformance
