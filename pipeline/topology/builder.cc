#include "pipeline/topology/builder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "pipeline/base/log.h"
#include "pipeline/kafka/group_commit.h"
#include "pipeline/scripting/transform/condition.h"
#include "pipeline/topology/captured.h"
#include "pipeline/topology/dead_letters.h"
#include "pipeline/topology/memory_plan.h"

namespace penstock::topology {
namespace {

// connect and close: as many destinations as this may block at a time before others wait.
constexpr int kBlockingThreads = 4;
// Delivery's store, for all destinations: while one syncs, another's letters are made ready.
constexpr int kStoringThreads = 2;

// Ingest's slices take milliseconds; one that takes this long will not come back by itself soon.
constexpr Duration kStuck{5'000};

// Its store would be made anew, and say nothing of what the old one held.
Result<void> tell_if_missing(Disk& disk, const std::string& delivery, const Log& log) {
  const Offsets end = log.end(LogName::events);
  TRY_ASSIGN(const bool there, disk.exists(delivery));
  if (there || std::ranges::all_of(end, [](auto offset) { return offset == 0; })) return {};
  log_warning(
      "delivery",
      "there is no {}, but there is a log: cursors, dead letters and replays of destinations are lost, and each starts "
      "by its `from:`. If that was not wanted, stop, and restore the folder from a backup",
      delivery);
  return {};
}

}  // namespace

Result<delivery::When> bind_condition(const std::string& expression) {
  if (expression.empty()) return delivery::When();
  auto condition = scripting::Condition::compile(expression);
  if (!condition) return fail(std::move(condition).error());
  return delivery::When([condition = *std::move(condition)](std::string_view body, const Facts& facts) mutable {
    return condition.eval(body, facts);
  });
}

namespace {

// What somebody told this destination before.
Result<std::optional<std::string>> pause_of(const catalog::Catalog& catalog, const std::string& name) {
  TRY_ASSIGN(const auto pauses, catalog.pauses());
  const auto found = std::ranges::find(pauses, name, &catalog::Pause::destination);
  return found == pauses.end() ? std::nullopt : std::optional(found->note);
}

Result<std::optional<delivery::RateSettings>> rate_of(const catalog::Catalog& catalog, const std::string& name) {
  TRY_ASSIGN(const auto rates, catalog.rates());
  const auto found = std::ranges::find(rates, name, &catalog::Rate::destination);
  if (found == rates.end()) return std::nullopt;
  return delivery::RateSettings{static_cast<int>(found->events_per_second), Bytes{found->bytes_per_second}};
}

// A frozen peer holds as many connections as its destination may have writes under way, so there are enough for all of them,
// and for as many again that a reload may add.
http::CurlClientOptions connections_for(const PipelinePlan& plan) {
  int writes = 0;
  for (const auto& destination : plan.destinations) writes += destination.delivery.in_flight_max;
  http::CurlClientOptions options;
  options.connections_max = std::max(options.connections_max, 2 * writes);
  options.connections_per_host_max = options.connections_max;
  options.requests_max = std::max(options.requests_max, 2 * writes);
  return options;
}

std::uint64_t events_in(const Log& log, LogName name) { return delivery::events_between(log.begin(name), log.end(name)); }

}  // namespace

Parts::Parts(PipelinePlan given, const Registry& known)
    : plan(std::move(given)), registry(known), chunk_memory(plan_memory(plan).chunks.count, plan_memory(plan).shared.count) {
}

Result<void> Parts::open(std::stop_token stop) {
  TRY(open_log(std::move(stop)));
  log_was_empty_ = std::ranges::all_of(log->end(LogName::events), [](auto end) { return end == 0; });
  if (group_log_ == nullptr) TRY(open_state());
  TRY(tell_if_missing(disk, plan.data + "/delivery", *log));
  TRY_ASSIGN(store_, delivery::DeliveryStore::open(plan.data + "/delivery", clock));
  TRY_ASSIGN(catalog_, catalog::Catalog::open(plan.data + "/catalog.db", clock));
  TRY_ASSIGN(http_, http::CurlClient::start(connections_for(plan)));
  delivery_threads_ = std::make_unique<ThreadPool>("delivery", plan.settings.delivery.threads);
  blocking_threads_ = std::make_unique<ThreadPool>("blocking", kBlockingThreads);
  storing_threads_ = std::make_unique<ThreadPool>("storing", kStoringThreads);
  // All that may refuse has not, and nothing has been appended yet.
  return group_log_ == nullptr ? states_.all().front()->remove_useless_checkpoints() : Result<void>();
}

Result<void> Parts::open_state() {
  StateOptions options{plan.data + "/state", plan.data + "/checkpoints", plan.settings.state.checkpoint_every};
  TRY_ASSIGN(auto state, DerivedState::open(std::move(options), *log, clock));
  if (local_log_ != nullptr) TRY(check_captured(*log, *state, plan.data));
  states_.put(0, std::move(state));
  return {};
}

Result<PreparedDestination> Parts::prepare(const PlannedDestination& planned) {
  const std::string& name = planned.settings.name;
  auto built = planned.plan.build(context(name, nullptr));
  if (!built) return fail(std::move(built).error().context("destination " + name));
  auto preparing = build_preparing(planned);
  if (!preparing) return fail(std::move(preparing).error().context("destination " + name));
  TRY_ASSIGN(const auto started, catalog_->started());
  return PreparedDestination{.name = name,
                             .type = planned.settings.type,
                             .fingerprint = planned.fingerprint,
                             .chain_version = planned.chain_version(),
                             .parts = {.name = name,
                                       .settings = planned.delivery,
                                       .destination = *std::move(built),
                                       .preparing = *std::move(preparing),
                                       .metrics = delivery::DeliveryMetrics(metrics, name),
                                       .seed = std::random_device()(),
                                       .started_before = std::ranges::binary_search(started, name)}};
}

// Not before the one that it replaces has come to its end: what that was told until then, this one goes by.
Result<void> Parts::take_orders(delivery::DestinationParts& destination) {
  TRY_ASSIGN(destination.paused, pause_of(*catalog_, destination.name));
  TRY_ASSIGN(destination.rate, rate_of(*catalog_, destination.name));
  TRY_ASSIGN(destination.replay, store_->replay(destination.name));
  TRY_ASSIGN(destination.replay_where, bind_condition(destination.replay ? destination.replay->where : ""));
  return {};
}

Result<delivery::Preparing> Parts::build_preparing(const PlannedDestination& planned) {
  delivery::Preparing preparing;
  auto when = bind_condition(planned.delivery.when);
  if (!when) return fail(std::move(when).error().context("when"));
  preparing.when = *std::move(when);
  if (planned.chain == nullptr) return preparing;
  const std::string& name = planned.settings.name;
  auto chain = MeasuredChain::make(planned.chain, 0, board_of(name), metrics, name);
  if (!chain) return fail(std::move(chain).error().context("apps"));
  preparing.apps = *std::move(chain);
  for (const auto& source : plan.sources)
    if (!paths_of(source.settings).canonical()) preparing.mapped_sources.push_back(source.settings.name);
  return preparing;
}

AppBoard& Parts::board_of(const std::string& destination) { return destination_boards_[destination]; }

Result<std::unique_ptr<RunningDestination>> Parts::start(PreparedDestination prepared) {
  const std::string name = prepared.name;
  if (auto taken = take_orders(prepared.parts); !taken) return fail(std::move(taken).error().context("destination " + name));
  auto running = std::make_unique<RunningDestination>();
  {
    const std::lock_guard lock(share_mutex_);
    running->share = share_;
  }
  if (group_log_ != nullptr && !running->share)  // a reload while all shards are elsewhere
    running->share = std::make_shared<ShareOfEvents>(*log, std::set<int>(), group_log_->shards());
  running->type = std::move(prepared.type);
  running->fingerprint = prepared.fingerprint;
  running->chain_version = prepared.chain_version;
  AppBoard& board = board_of(prepared.name);
  if (!prepared.parts.preparing.apps) board.show(0, {});
  running->app_board = &board;
  running->drain = prepared.parts.settings.drain;
  auto runner = delivery::DestinationRunner::start(
      std::move(prepared.parts), {running->share ? *running->share : *log, *store_, clock, *delivery_threads_,
                                  *blocking_threads_, *storing_threads_, &chunk_memory});
  if (!runner) return fail(std::move(runner).error());
  running->runner = *std::move(runner);
  // Only now that its cursor is durable. On a full disk a later start notes it.
  if (auto noted = catalog_->note_started(name); !noted && noted.error().kind != ErrorKind::unavailable)
    return fail(std::move(noted).error().context("destination " + name));
  return running;
}

std::unique_ptr<Retention> Parts::build_retention(std::function<std::uint64_t()> captured_committed,
                                                  std::function<std::vector<Holder>()> holders) {
  RetentionNeeds needs;
  needs.captured_committed = std::move(captured_committed);
  if (group_log_ == nullptr) {
    const auto state = states_.all().front();
    needs.state_checkpointed = [state] { return state->checkpointed_sequence(); };
    needs.checkpoint_if_due = [state] { return state->take_checkpoint_if_due(); };
    needs.checkpoint_now = [state] { return state->take_checkpoint(); };
  } else {  // the topic `state` keeps all of it
    needs.state_checkpointed = [] { return ~std::uint64_t{0}; };
    needs.checkpoint_if_due = needs.checkpoint_now = [] { return Result<void>(); };
  }
  needs.holders = std::move(holders);
  return std::make_unique<Retention>(plan.settings.log, plan.data, *log, disk, clock, std::move(needs), gate, metrics);
}

std::unique_ptr<logs::kafka::GroupOffsets> Parts::build_group_offsets(logs::kafka::GroupOffsets::Ask ask) const {
  if (!on_kafka()) return nullptr;
  return std::make_unique<logs::kafka::GroupOffsets>(plan.settings.log.on_kafka(), std::move(ask));
}

ingest::SourceIdentity Parts::identity_of(const std::string& source) const {
  for (const auto& planned : plan.sources)
    if (planned.settings.name == source) return {source, planned.project, paths_of(planned.settings)};
  const auto& projects = plan.settings.projects;
  return {source, projects.empty() ? "default" : projects.front().name, {}};
}

void Parts::set_share(std::shared_ptr<ShareOfEvents> share) {
  const std::lock_guard lock(share_mutex_);
  share_ = std::move(share);
}

Offsets Parts::of_share(Offsets cursor) const {
  if (group_log_ == nullptr) return cursor;
  const std::lock_guard lock(share_mutex_);
  for (std::size_t p = 0; p < cursor.size(); ++p)
    if (!share_ || !share_->has(static_cast<int>(p))) cursor[p] = penstock::kafka::kNoOffset;
  return cursor;
}

void Parts::close() {
  if (delivery_threads_) delivery_threads_->stop();
  // Before the threads that may be waiting in a close() for its answers.
  if (http_) http_->stop();
  if (blocking_threads_) blocking_threads_->stop();
  if (storing_threads_) storing_threads_->stop();
  if (log) log->close();
}

std::string Parts::render_metrics(const std::vector<ingest::InputLag>& lag, const std::optional<GroupStatus>& group) {
  if (group) publish(*group, metrics);
  for (const auto& input : lag) ingest::publish(input, metrics);
  for (const LogName name : {LogName::captured, LogName::events}) {
    const telemetry::Labels labels{{"log", std::string(to_string(name))}};
    metrics.gauge("penstock_log_bytes", "Bytes of a log on disk.", labels).set(static_cast<double>(log->bytes(name)));
    metrics.gauge("penstock_log_events", "Events a log keeps.", labels).set(static_cast<double>(events_in(*log, name)));
  }
  if (group_log_ == nullptr) {
    const auto state = states_.all().front();
    metrics
        .gauge("penstock_state_commits_since_checkpoint",
               "Commits that the newest checkpoint of derived state does not have.")
        .set(static_cast<double>(state->next_sequence() - state->checkpointed_sequence()));
  }
  metrics.gauge("penstock_memory_chunks_bytes", "Bytes of the logs' decoded chunks in memory.")
      .set(static_cast<double>(chunk_memory.used()));
  metrics.gauge("penstock_memory_chunks_max_bytes", "What they may come to: what the rest leaves of memory_max.")
      .set(static_cast<double>(chunk_memory.max()));
  return metrics.render();
}

Result<std::vector<dead::Listed>> Parts::list_dead(const dead::Filter& filter, const dead::Page& page) const {
  return topology::list_dead(states_.all(), *store_, filter, page);
}

Result<DeadLetter> Parts::find_dead(const std::string& id) const { return topology::find_dead(states_.all(), *store_, id); }

Result<BackupReport> Parts::back_up(const std::string& to) const {
  if (local_log_ == nullptr)
    return fail(ErrorKind::invalid, "the log is on Kafka, and a backup is a copy of a log on this disk");
  return topology::back_up({*local_log_, *states_.all().front(), *store_, *catalog_, disk}, plan.data, to);
}

PipelineStatus Parts::status() const {
  PipelineStatus status;
  status.version = PENSTOCK_VERSION;
  status.file = plan.file;
  status.started_at = started_at;
  status.captured = {log->bytes(LogName::captured), events_in(*log, LogName::captured)};
  status.events = {log->bytes(LogName::events), events_in(*log, LogName::events)};
  for (const auto& source : plan.sources) {
    status.sources.push_back(
        {source.settings.name, source.settings.type, source.plan.finite, source_board.trouble(source.settings.name)});
  }
  status.apps = app_board.apps();
  status.sources_wait_for = gate.reason().value_or("");
  if (const auto refused = log->refusal(); refused && status.sources_wait_for.empty())
    status.sources_wait_for = refused->message;
  return status;
}

std::vector<InputStatus> to_status(const std::vector<ingest::InputLag>& lag) {
  std::vector<InputStatus> inputs;
  for (const auto& input : lag)
    inputs.push_back({input.input, input.events, input.bytes, std::chrono::duration<double>(input.age).count()});
  return inputs;
}

DestinationStatus to_status(const RunningDestination& running) {
  const auto now = running.runner->status();
  return {.name = now.name,
          .type = running.type,
          .health = std::string(delivery::to_string(now.condition.health)),
          .reason = now.condition.reason,
          .delivered = now.delivered,
          .filtered = now.filtered,
          .dead = now.dead,
          .lag_events = now.lag_events,
          .lag_seconds = std::chrono::duration<double>(now.lag).count(),
          .skipped = now.skipped,
          .retries = now.retries,
          .in_flight = now.in_flight,
          .retrying = now.retrying,
          .blocked_keys = now.blocked_keys,
          .replay_left = now.replay_left,
          .replay_stopped = now.replay_stopped,
          .replay_undecided = now.replay_undecided,
          .replay_skipped = now.replay_skipped,
          .apps = running.app_board->apps()};
}

void publish(const GroupStatus& group, telemetry::Metrics& metrics) {
  const auto show = [&](const char* name, const char* help, double value) { metrics.gauge(name, help, {}).set(value); };
  show("penstock_group_shards", "Shards of the input, in all processes that share the log.", group.shards);
  show("penstock_group_shards_here", "Shards of the input that this process works on.",
       static_cast<double>(group.here.size()));
  show("penstock_group_shards_coming", "Shards that this process is taking over, or restoring the state of.",
       static_cast<double>(group.restoring.size()));
  show("penstock_group_rebalances", "How often shards came or went since the start.", static_cast<double>(group.rebalances));
  show("penstock_group_restored_seconds_max", "The longest that a shard which is here took to come.",
       std::chrono::duration<double>(group.restored_in_max).count());
}

void judge(PipelineStatus& status, const std::optional<Error>& failure, const std::optional<Error>& damage) {
  status.healthy = !failure;
  if (failure) {
    status.verdict = fmt::format("failed: {}; restart it once the cause is mended", failure->message);
    return;
  }
  std::vector<std::string> ailing;
  bool catches_up = false;
  if (damage) ailing.push_back(damage->message);
  if (status.group && !status.group->trouble.empty())
    ailing.push_back("brokers keep this process from its share of the work: " + status.group->trouble);
  if (status.group && !status.group->sources_differ.empty()) ailing.push_back(status.group->sources_differ);
  if (!status.sources_wait_for.empty()) ailing.push_back("sources wait: " + status.sources_wait_for);
  for (const auto& source : status.sources)
    if (!source.trouble.empty()) ailing.push_back(fmt::format("source {} is unavailable ({})", source.name, source.trouble));
  if (status.ingest_busy >= kStuck && status.sources_wait_for.empty()) {
    ailing.push_back(fmt::format("ingest has been busy with one batch for {} s: an app, a `when:` or the disk is stuck",
                                 status.ingest_busy.count() / 1000));
  }
  for (const auto& app : status.apps) {
    if (!app.suspended) continue;
    ailing.push_back(fmt::format("app {} is suspended ({}); {}: mend it and `penstock reload`", app.name,
                                 app.reason.substr(0, app.reason.find('\n')),
                                 app.holds ? "ingest waits for it" : "events pass it by unchanged"));
  }
  for (const auto& d : status.destinations) {
    for (const auto& app : d.apps) {
      if (!app.suspended || app.holds) continue;  // one that holds is the destination's health
      ailing.push_back(
          fmt::format("app {} of {} is suspended ({}); events pass it by unchanged: mend it and `penstock reload`", app.name,
                      d.name, app.reason.substr(0, app.reason.find('\n'))));
    }
    if (!d.replay_stopped.empty()) ailing.push_back(fmt::format("the replay of {} {}", d.name, d.replay_stopped));
    if (d.health == "healthy" || d.health == "starting") continue;
    ailing.push_back(fmt::format("{} is {}{}, {} events behind", d.name, d.health,
                                 d.reason.empty() ? "" : " (" + d.reason + ")", d.lag_events));
    catches_up = catches_up || d.health != "blocked";
  }
  status.healthy = ailing.empty();
  status.verdict = ailing.empty() ? "healthy" : fmt::format("{}", fmt::join(ailing, "; "));
  if (catches_up) status.verdict += ". Others go on; it catches up from the log once it is back.";
}

}  // namespace penstock::topology
