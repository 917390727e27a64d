#include "tests/simulation/process.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/content_chain.h"
#include "tests/simulation/destination_app.h"

namespace penstock::simulation {
namespace {

constexpr std::size_t kPendingMax = 64 << 10;
constexpr std::size_t kUuidsMax = 2048;  // more than a run has
constexpr Duration kRemembered{86'400'000};

delivery::When condition_of(const std::string& destination) {
  return [destination](std::string_view body, const Facts&) -> Result<bool> {
    const Fate fate = fate_at(body, destination);
    if (fate == Fate::when_fails) return fail(ErrorKind::invalid, "nil has no fields");
    return fate != Fate::unwanted;
  };
}

}  // namespace

Result<std::unique_ptr<Process>> Process::start(World& world) {
  ++world.started;
  std::unique_ptr<Process> process(new Process(world));
  TRY(process->open());
  return process;
}

Result<void> Process::open() {
  const Settings& settings = world_.settings;
  TRY_ASSIGN(log_, logs::local::LocalLog::open({.folder = "data",
                                                .partitions = settings.partitions,
                                                .segment_bytes = settings.segment,
                                                .recent_max = settings.recent,
                                                .own_threads = false},
                                               *world_.disk, world_.clock));
  TRY(world_.state.open(*log_));
  runners_.resize(settings.destinations.size());
  for (std::size_t i = 0; i < runners_.size(); ++i) TRY(start_destination(i));

  const ingest::SourceIdentity web{.name = "web", .project = "shop", .paths = {}};
  intake_ = std::make_unique<ingest::CapturedIntake>(web, *log_, world_.clock, ingest::SourceMetrics{}, kPendingMax, &gate_,
                                                     "run " + std::to_string(world_.started));
  std::vector<ingest::PushedInput> pushed;
  pushed.push_back({web, {}});
  std::vector<ingest::PolledInput> polled;
  if (world_.feed) polled.push_back({{.name = kFeedName, .project = "shop", .paths = {}}, world_.feed->make(), {}});
  std::vector<std::unique_ptr<Transform>> chains(static_cast<std::size_t>(world_.chance.between(1, settings.workers_max)));
  for (auto& chain : chains) chain = std::make_unique<ContentChain>();
  appended_at_.resize(chains.size());
  // Again at once, instead of waiting for a clock that is not ours.
  const ingest::WorkerOptions options{.commit = settings.commit, .gate = &gate_, .again_after = Duration{0}};
  workers_ = std::make_unique<ingest::Workers>(
      *log_, world_.clock, [this](const std::string& source) { return world_.state.positions_of(*log_, source); },
      [this](std::uint64_t sequence, const LogRecord& changes) {
        world_.trace.say("commit {} is durable, with {} dead letters", sequence, changes.dead.size());
        world_.state.apply(sequence, changes);
      },
      world_.state, std::move(chains), std::move(polled), pushed, ingest::DedupSettings{kRemembered, kUuidsMax}, options,
      ingest::WorkerMetrics{});
  return workers_->open();
}

Process::~Process() {
  runners_.clear();
  world_.executor.forget();
  if (log_) log_->close();  // ingest's destructor waits for the answer to its commit
}

Result<void> Process::start_destination(std::size_t index) {
  const DestinationPlan& plan = world_.settings.destinations[index];
  Receiver& receiver = *world_.receivers[index];
  const std::string& name = plan.habits.name;
  TRY_ASSIGN(auto replay, world_.store.replay(name));
  delivery::DestinationParts parts{.name = name,
                                   .settings = plan.settings,
                                   .destination = receiver.make(),
                                   .preparing = {.when = condition_of(name),
                                                 .apps = plan.has_app ? std::make_unique<DestinationApp>(name) : nullptr,
                                                 .mapped_sources = {}},
                                   .metrics = {},
                                   .seed = world_.chance.number(),
                                   .paused = {},
                                   .rate = {},
                                   .replay = std::move(replay),
                                   .replay_where = {}};
  if (world_.paused.contains(name)) parts.paused = "for a while";
  TRY_ASSIGN(runners_[index],
             delivery::DestinationRunner::start(std::move(parts), {*log_, world_.store, world_.clock, world_.executor,
                                                                   world_.executor, world_.executor, world_.memory.get()}));
  return {};
}

// While a worker's commit is in flight a slice may only collect: where it might want to commit it would wait, and nobody else is there
// to write.
Result<bool> Process::step_ingest(std::size_t worker) {
  auto& appended_at = appended_at_[worker];
  const bool only_collects = appended_at && world_.settings.overlapping_commits && !world_.state.behind() &&
                             world_.clock.steady() - *appended_at < world_.settings.commit.within;
  if (appended_at && !only_collects) return false;
  if (world_.feed) world_.feed->spare(appended_at.has_value());
  const std::size_t queued = log_->queued(LogName::events);
  const auto moved = workers_->worker(worker).step();
  if (log_->queued(LogName::events) > queued) appended_at = world_.clock.steady();
  return moved;
}

// All that is queued is one group.
bool Process::write(LogName log) {
  const bool written = log_->write_queued(log);
  if (log == LogName::events) appended_at_.assign(appended_at_.size(), std::nullopt);
  return written;
}

void Process::wake() {
  for (const auto& runner : runners_) runner->wake();
}

void Process::stop_destination(std::size_t index) {
  bool stopped = false;
  runners_[index]->stop(world_.settings.destinations[index].settings.drain, [&] { stopped = true; });
  while (!stopped) {
    if (world_.executor.run_one()) continue;
    if (world_.chance.one_in(2) && world_.receivers[index]->answer_one()) continue;
    const auto timer = world_.executor.next_timer();
    if (!timer) break;
    world_.clock.advance(std::chrono::ceil<Duration>(std::max(*timer, world_.clock.steady()) - world_.clock.steady()));
  }
  if (!stopped) world_.trace.wrong("{}: never stops", world_.receivers[index]->name());
}

Result<void> Process::restart_destination(std::size_t index) {
  world_.trace.say("{}: is started again", world_.receivers[index]->name());
  stop_destination(index);
  runners_[index].reset();
  while (world_.executor.run_one()) {}
  world_.receivers[index]->forget();
  return start_destination(index);
}

void Process::stop_destinations() {
  for (std::size_t i = 0; i < runners_.size(); ++i) stop_destination(i);
}

Result<void> Process::trim(Offsets needed) {
  TRY(log_->trim(LogName::captured,
                 {.older_than = {}, .bytes_max = 0, .before_sequence = workers_->captured_committed(), .keep_from = {}}));
  for (const DestinationPlan& plan : world_.settings.destinations) {
    if (!plan.settings.hold) continue;
    TRY_ASSIGN(const auto cursor, world_.store.cursor(plan.habits.name));
    TRY_ASSIGN(const auto replay, world_.store.replay(plan.habits.name));
    if (!cursor) continue;  // as one that is new
    const Offsets settled = replay ? replay->needs(cursor->next) : cursor->next;
    for (std::size_t p = 0; p < needed.size(); ++p) needed[p] = std::min(needed[p], settled[p]);
  }
  TRY(log_->trim(
      LogName::events,
      {.older_than = {}, .bytes_max = 0, .before_sequence = world_.state.flushed_sequence(), .keep_from = needed}));
  return {};
}

}  // namespace penstock::simulation
