#include "tests/simulation/process.h"

#include <algorithm>
#include <utility>

#include "pipeline/ingest/remember_uuids.h"
#include "tests/simulation/content_chain.h"

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
  const ingest::WorkerOptions options{.commit = settings.commit, .gate = &gate_};
  seen_ = std::make_unique<ingest::SeenUuids>(ingest::DedupSettings{kRemembered, kUuidsMax});
  TRY(ingest::remember_uuids(*seen_, *log_, world_.clock));
  worker_ = std::make_unique<ingest::Worker>(
      *log_, world_.clock, [this](const std::string& source) { return world_.state.positions_of(*log_, source); },
      [this](std::uint64_t sequence, const LogRecord& changes) {
        world_.trace.say("commit {} is durable, with {} dead letters", sequence, changes.dead.size());
        world_.state.apply(sequence, changes);
      },
      world_.state, *seen_, std::make_unique<ContentChain>(), std::vector<ingest::PolledInput>{}, std::move(pushed), options,
      ingest::WorkerMetrics{});
  worker_->drain();  // after a refusal it then reads again at once, instead of waiting for a clock that is not ours
  return worker_->open();
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
                                   .preparing = {.when = condition_of(name), .apps = nullptr, .mapped_sources = {}},
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

// While a commit is in flight a slice may only collect: where it might want to commit it would wait, and nobody else is there
// to write.
Result<bool> Process::step_ingest() {
  const bool in_flight = log_->queued(LogName::events) > 0;
  const bool only_collects = world_.settings.overlapping_commits && !world_.state.behind() &&
                             world_.clock.steady() - appended_at_ < world_.settings.commit.within;
  if (in_flight && !only_collects) return false;
  const auto moved = worker_->step();
  if (!in_flight && log_->queued(LogName::events) > 0) appended_at_ = world_.clock.steady();
  return moved;
}

bool Process::write(LogName log) { return log_->write_queued(log); }

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
                 {.older_than = {}, .bytes_max = 0, .before_sequence = worker_->captured_committed(), .keep_from = {}}));
  for (const auto& runner : runners_) {
    const Offsets settled = runner->status().cursor;
    for (std::size_t p = 0; p < needed.size(); ++p) needed[p] = std::min(needed[p], settled[p]);
  }
  TRY(log_->trim(
      LogName::events,
      {.older_than = {}, .bytes_max = 0, .before_sequence = world_.state.flushed_sequence(), .keep_from = needed}));
  return {};
}

}  // namespace penstock::simulation
