#include "connectors/sources/kafka/group_progress.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <utility>

#include "connectors/sources/kafka/positions.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/kafka/group_commit.h"

namespace penstock::sources::kafka {
namespace {

constexpr std::chrono::seconds kBetweenLooks{5};
constexpr Duration kPatience{2'000};

}  // namespace

GroupProgress::GroupProgress(std::string source, std::string group, penstock::kafka::Settings settings, Ask ask)
    : source_(std::move(source)), group_(std::move(group)), settings_(std::move(settings)), ask_(std::move(ask)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

GroupProgress::~GroupProgress() = default;

void GroupProgress::run(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  name_this_thread("source-group");
  std::mutex waiting;
  std::condition_variable_any stopping;
  for (bool last = false; !last;) {
    std::unique_lock lock(waiting);
    stopping.wait_for(lock, stop, kBetweenLooks, [] { return false; });
    last = stop.stop_requested();
    look();
  }
}

void GroupProgress::look() {
  const auto shown = show();
  const std::string why = shown ? "" : shown.error().message;
  if (std::exchange(told_, why) != why && !why.empty())
    log_warning("ingest", "source {}: its consumer group does not show how far it is: {}", source_, why);
}

Result<void> GroupProgress::show() {
  TRY_ASSIGN(const auto stored, ask_());
  TRY_ASSIGN(const auto positions, read_positions(stored));
  std::map<std::string, std::vector<std::uint64_t>> topics;
  for (const auto& [at, position] : positions) {
    auto& offsets = topics[at.topic];
    const auto partition = static_cast<std::size_t>(at.partition);
    if (offsets.size() <= partition) offsets.resize(partition + 1, penstock::kafka::kNoOffset);
    offsets[partition] = position.offset;
  }
  for (auto& [topic, offsets] : topics) {
    if (shown_[topic] == offsets) continue;
    TRY(penstock::kafka::commit_group_offsets(settings_, group_, topic, offsets, kPatience));
    shown_[topic] = std::move(offsets);
  }
  return {};
}

}  // namespace penstock::sources::kafka
