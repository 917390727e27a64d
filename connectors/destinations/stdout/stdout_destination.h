#pragma once
// Writes events to standard output, one per line. Nothing is promised beyond the pipe: what the reader does with a line that
// it took is its own affair.
//
// A reader that does not read holds up this destination and nothing else. One that goes away gives `unavailable` with code
// "broken_pipe", never a SIGPIPE. close() waits while the reader makes progress, and a second at most when it does not.

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "pipeline/config/fields.h"
#include "pipeline/ports/blocking.h"
#include "pipeline/registry/registry.h"

namespace penstock::destinations::stdout {

enum class Format : std::uint8_t { body, envelope };

}  // namespace penstock::destinations::stdout

template <>
struct penstock::config::enum_names<penstock::destinations::stdout::Format> {
  using Format = penstock::destinations::stdout::Format;
  static constexpr std::array names{std::pair{"body", Format::body}, std::pair{"envelope", Format::envelope}};
};

namespace penstock::destinations::stdout {

// What Blocking<> runs on a thread of its own.
class StdoutSink {
 public:
  struct Config {
    Format format = Format::body;

    static constexpr auto fields() {
      using config::field;
      return std::tuple{field("format", &Config::format,
                              "The event's body as it is, or the envelope {\"uuid\": …, facts, \"data\": body}.")};
    }
  };
  static constexpr std::string_view kSummary = "Writes events to standard output, one JSON object per line.";
  static constexpr std::string_view kExample = "format: envelope\n";

  // Does not own `fd`.
  StdoutSink(Config config, const ConnectorContext& context, int fd = 1);
  ~StdoutSink();
  StdoutSink(const StdoutSink&) = delete;
  StdoutSink& operator=(const StdoutSink&) = delete;

  Result<void> open(std::stop_token stop);
  void write(std::span<const Batch> group, std::span<Outcomes> outcomes);
  void close() {}
  void interrupt();

 private:
  Outcome write_all(std::string_view text);
  bool wait_for_room();

  const Config config_;
  const int fd_;
  const int wake_fd_;  // readable once interrupted
  std::atomic<bool> interrupted_ = false;
  bool takes_any_size_ = false;  // a regular file: a write there does not wait for a reader
  bool mid_line_ = false;  // a failed write left the beginning of a line behind
  std::string lines_;  // reused
};

using StdoutDestination = Blocking<StdoutSink>;

}  // namespace penstock::destinations::stdout
