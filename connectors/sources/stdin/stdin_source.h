#pragma once
// Reads one JSON object per line from standard input, into the log `captured`.
//
// One push is in flight at a time, so lines keep their order whatever the intake refuses for a while; meanwhile up to 8 MiB
// are read ahead, and then the writer of the pipe waits. Nothing read is dropped: what the intake cannot take now is pushed
// again, with back-off. At the end of the input the source is finished once everything was answered. stop() pushes what was
// read completely, and gives up on it, loudly, when the intake refuses. Lines read but not yet durable are lost when the
// process is killed: a file as a file source has no such gap.
//
// A line over the limit is pushed as its first 64 KiB, which is no JSON object any more and so becomes a dead letter.

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>

#include "pipeline/base/bytes.h"
#include "pipeline/config/fields.h"
#include "pipeline/ports/source.h"
#include "pipeline/registry/registry.h"

namespace penstock::sources::stdin {

class StdinSource final : public PushedSource {
 public:
  struct Config {
    Bytes line_max = 1_MiB;

    static constexpr auto fields() {
      using config::field;
      using config::range;
      return std::tuple{field("line_max", &Config::line_max, "A longer line becomes a dead letter with its first 64 KiB.",
                              range(1_KiB, 4_MiB))};
    }
  };
  static constexpr std::string_view kSummary = "Reads one JSON object per line from standard input, and ends with it.";
  static constexpr std::string_view kExample = "line_max: 256KiB\n";
  static bool finite(const Config&) { return true; }

  // Does not own `fd`.
  StdinSource(Config config, const ConnectorContext& context, int fd = 0);
  ~StdinSource() override;

  Result<void> start(Intake& intake) override;
  void stop() override;
  bool finished() const override { return finished_; }
  // It could not be read to its end; what was read, up to the last whole line, is in the log.
  std::optional<Error> failure() const override;

 private:
  class Pump;

  const Config config_;
  const std::string name_;
  const int fd_;
  std::atomic<bool> finished_ = false;
  std::atomic<int> failed_ = 0;  // the number of the error
  std::unique_ptr<Pump> pump_;  // between start and stop
};

}  // namespace penstock::sources::stdin
