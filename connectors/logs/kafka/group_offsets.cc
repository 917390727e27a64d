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
constexpr Duration kPatience{2'000};

}  // namespace

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
    look();
  }
}

void GroupOffsets::look() {
  for (const Cursor& cursor : ask_()) {
    if (shown_[cursor.reader] == cursor.settled) continue;
    if (const auto done = show(cursor); !done) {
      if (done.error().message != told_)
        log_warning("log", "consumer groups do not show how far destinations are: {}", done.error().message);
      told_ = done.error().message;
      return;
    }
    told_.clear();
    shown_[cursor.reader] = cursor.settled;
  }
}

Result<void> GroupOffsets::show(const Cursor& cursor) const {
  return penstock::kafka::commit_group_offsets(reader_settings(config_), fmt::format("{}.{}", config_.prefix, cursor.reader),
                                               config_.events_topic(), cursor.settled, kPatience);
}

}  // namespace penstock::logs::kafka
