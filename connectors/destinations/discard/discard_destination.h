#pragma once
// Counts what it is given and forgets it: for trying out a configuration, and for measuring everything before it.

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <tuple>

#include "pipeline/ports/destination.h"
#include "pipeline/registry/registry.h"

namespace penstock::destinations::discard {

// Any thread may call anything; a batch is completed before submit returns.
class DiscardDestination final : public Destination {
 public:
  struct Config {
    static constexpr auto fields() { return std::tuple{}; }
  };
  static constexpr std::string_view kSummary = "Counts events and discards them.";
  static constexpr std::string_view kExample = "";

  DiscardDestination(Config, const ConnectorContext&) {}

  Result<void> connect(std::stop_token) override { return {}; }
  void submit(Batch batch, Completion done) override {
    events_.fetch_add(batch.events.size(), std::memory_order_relaxed);
    bytes_.fetch_add(batch.bytes, std::memory_order_relaxed);
    done(Outcomes::all(Outcome::delivered()));
  }
  void close() override {}

  std::uint64_t events() const { return events_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> events_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
};

}  // namespace penstock::destinations::discard
