#include "connectors/logs/kafka/group_offsets.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/kafka/group_commit.h"

namespace penstock::logs::kafka {
namespace {

constexpr std::chrono::seconds kBetweenLooks{5};
// Offsets that nobody commits again are forgotten, and somebody who was slow may have set them back.
constexpr std::chrono::seconds kShowAgain{60};
constexpr Duration kPatience{3'000};

}  // namespace

Result<Offsets> committed_cursor(const Config& config, const std::string& reader, int partitions) {
  return penstock::kafka::group_offsets(reader_settings(config), fmt::format("{}.{}", config.prefix, reader),
                                        config.events_topic(), partitions, kPatience);
}

Result<void> commit_cursor(const Config& config, const std::string& reader, const Offsets& settled) {
  return penstock::kafka::commit_group_offsets(reader_settings(config), fmt::format("{}.{}", config.prefix, reader),
                                               config.events_topic(), settled, kPatience);
}

GroupOffsets::GroupOffsets(Config config, Ask ask)
    : config_(std::move(config)), ask_(std::move(ask)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

GroupOffsets::~GroupOffsets() = default;

void GroupOffsets::run(const std::stop_token& stop) {
  name_this_thread("log-groups");
  std::mutex waiting;
  std::condition_variable_any stopping;
  while (!stop.stop_requested()) {
    std::unique_lock lock(waiting);
    stopping.wait_for(lock, stop, kBetweenLooks, [] { return false; });
    if (stop.stop_requested() && !told_.empty()) return;  // it did not work just now
    look();
  }
}

void GroupOffsets::look() {
  if (const auto now = std::chrono::steady_clock::now(); now > show_again_) {
    shown_.clear();
    show_again_ = now + kShowAgain;
  }
  for (const Cursor& cursor : ask_()) {
    if (shown_[cursor.reader] == cursor.settled) continue;
    if (const auto done = commit_cursor(config_, cursor.reader, cursor.settled); !done) {
      if (done.error().message != told_)
        log_warning("log", "consumer groups do not show how far destinations are: {}", done.error().message);
      told_ = done.error().message;
      return;
    }
    told_.clear();
    shown_[cursor.reader] = cursor.settled;
  }
}

}  // namespace penstock::logs::kafka
