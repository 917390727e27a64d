#include "pipeline/topology/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"

namespace penstock::topology {

using penstock::kafka::Holding;

namespace {

constexpr std::chrono::seconds kBetweenTries{1};
// Others wait as long; a shard that takes longer to finish has its last commit refused, and what it was about is read again.
constexpr std::chrono::seconds kLetGoWithin{10};
constexpr std::chrono::milliseconds kLookAtDrain{5};

void add(const ingest::IngestSums& some, ingest::IngestSums& sum) {
  sum.kept += some.kept;
  sum.dropped += some.dropped;
  sum.duplicates += some.duplicates;
  sum.dead += some.dead;
}

Duration since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - then);
}

}  // namespace

Result<void> Ingest::start() {
  if (parts_.group_log() != nullptr) {
    return parts_.group_log()->join({.gained = [this](const std::vector<Holding>& shards) { gained(shards); },
                                     .losing = [this](const std::vector<int>& shards, bool lost) { losing(shards, lost); }});
  }
  TRY_ASSIGN(auto whole, parts_.build_whole());
  const std::lock_guard lock(mutex_);
  whole_ = std::move(whole);
  whole_.workers->start();
  return {};
}

void Ingest::gained(const std::vector<Holding>& shards) {
  std::unique_lock lock(mutex_);
  for (const Holding& holding : shards) {
    held_.insert(holding.partition);
    auto kept = std::make_shared<Kept>();
    kept->holding = holding;
    kept->before = std::exchange(kept_[holding.partition], kept);
    kept->thread = std::jthread([this, raw = kept.get()](const std::stop_token& stop) { keep(*raw, stop); });
  }
  lock.unlock();
  held_changed_(held_, false);
}

void Ingest::losing(const std::vector<int>& shards, bool lost) {
  std::vector<std::shared_ptr<Kept>> going;
  std::unique_lock lock(mutex_);
  for (const int shard : shards)
    if (const auto found = kept_.find(shard); found != kept_.end()) going.push_back(found->second);
  for (const auto& kept : going) kept->thread.request_stop();
  const auto all_let_go = [&] { return std::ranges::all_of(going, [](const auto& kept) { return kept->let_go; }); };
  if (!changed_.wait_for(lock, kLetGoWithin, all_let_go))
    log_warning("ingest", "shards go to other processes before all that was in hand is committed; it is read again there");
  lock.unlock();
  for (const int shard : shards) held_.erase(shard);
  held_changed_(held_, lost);
}

void Ingest::keep(Kept& kept, const std::stop_token& stop) {
  name_this_thread(fmt::format("shard-{}", kept.holding.partition));
  kept.before.reset();  // joins
  if (bring_up(kept, stop)) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [] { return false; });
  }
  take_down(kept);
}

// True: it runs.
bool Ingest::bring_up(Kept& kept, const std::stop_token& stop) {
  const auto begun = std::chrono::steady_clock::now();
  std::string told;
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    const auto chain = chain_;
    lock.unlock();
    auto built = parts_.build_shard(kept.holding, chain, stop);
    lock.lock();
    if (built && stop.stop_requested()) {
      lock.unlock();
      // It was adopted, so others would have to end what this process has open.
      static_cast<void>(parts_.group_log()->release(kept.holding.partition));
      return false;
    }
    if (built && chain == chain_) {
      kept.shard = *std::move(built);
      kept.restored_in = since(begun);
      parts_.states().put(kept.holding.partition, kept.shard.state);
      kept.shard.workers->start();
      log_info("ingest", "shard {} is here, after {} ms", kept.holding.partition, kept.restored_in.count());
      return true;
    }
    if (built || stop.stop_requested()) continue;
    if (built.error().kind != ErrorKind::unavailable) {
      log_error("ingest", "shard {}: {}", kept.holding.partition, built.error().message);
      failure_ = built.error();
      return false;
    }
    if (told != built.error().message)
      log_warning("ingest", "shard {}: {}; trying again", kept.holding.partition, told = built.error().message);
    changed_.wait_for(lock, stop, kBetweenTries, [] { return false; });
  }
  return false;
}

void Ingest::take_down(Kept& kept) {
  std::unique_lock lock(mutex_);
  Workers* const workers = kept.shard.workers.get();
  kept.going = true;
  lock.unlock();
  if (workers != nullptr) {
    workers->stop();  // commits
    const auto released = parts_.group_log()->release(kept.holding.partition);
    if (!released) log_warning("ingest", "shard {}: {}", kept.holding.partition, released.error().message);
  }
  parts_.states().take_out(kept.holding.partition);
  lock.lock();
  if (workers != nullptr) add(workers->counts(), gone_);
  BuiltShard gone = std::exchange(kept.shard, {});
  kept.let_go = true;
  changed_.notify_all();
  lock.unlock();
  gone.workers.reset();
  gone.state.reset();
  gone.log.reset();
  parts_.app_board.forget(kept.holding.partition);
}

void Ingest::drain() {
  const std::lock_guard lock(mutex_);
  if (whole_.workers) whole_.workers->drain();
  for (const auto& [shard, kept] : kept_)
    if (kept->shard.workers) kept->shard.workers->drain();
}

void Ingest::stop(Duration drain_within) {
  if (!parts_.log) return;
  drain();
  const auto deadline = parts_.clock.steady() + drain_within;
  std::unique_lock lock(mutex_);
  while (parts_.clock.steady() < deadline && !parts_.log->failure()) {
    lock.unlock();
    const bool done = resting() || failure();
    lock.lock();
    if (done) break;
    changed_.wait_for(lock, kLookAtDrain);
  }
  lock.unlock();
  if (parts_.group_log() != nullptr) parts_.group_log()->leave();
  if (whole_.workers) whole_.workers->stop();
  std::map<int, std::shared_ptr<Kept>> going;
  lock.lock();
  going.swap(kept_);
  lock.unlock();
  for (const auto& [shard, kept] : going) kept->thread.request_stop();
}

void Ingest::set_chains(const std::shared_ptr<const scripting::ChainPlan>& chain,
                        std::vector<std::unique_ptr<Transform>> chains) {
  const std::lock_guard lock(mutex_);
  chain_ = chain;
  if (whole_.workers) return whole_.workers->set_chains(std::move(chains));
  for (const auto& [shard, kept] : kept_) {
    if (!kept->shard.workers) continue;
    std::vector<std::unique_ptr<Transform>> own;
    own.push_back(std::move(chains.at(static_cast<std::size_t>(shard))));
    kept->shard.workers->set_chains(std::move(own));
  }
}

void Ingest::for_each(const std::function<void(const Workers&)>& with) const {
  const std::lock_guard lock(mutex_);
  if (whole_.workers) with(*whole_.workers);
  for (const auto& [shard, kept] : kept_)
    if (kept->shard.workers) with(*kept->shard.workers);
}

std::size_t Ingest::size() const {
  std::size_t size = 0;
  for_each([&](const Workers& workers) { size += workers.size(); });
  return size;
}

std::uint64_t Ingest::chain_version() const {
  std::uint64_t version = 0;
  {
    const std::lock_guard lock(mutex_);
    version = chain_->version;
  }
  const std::uint64_t set = version;
  for_each([&](const Workers& workers) {
    if (workers.chain_version() != set) version = workers.chain_version();
  });
  return version;
}

ingest::IngestSums Ingest::counts() const {
  ingest::IngestSums sums;
  for_each([&](const Workers& workers) { add(workers.counts(), sums); });
  const std::lock_guard lock(mutex_);
  add(gone_, sums);
  return sums;
}

Duration Ingest::busy() const {
  Duration longest{0};
  for_each([&](const Workers& workers) { longest = std::max(longest, workers.busy()); });
  return longest;
}

std::uint64_t Ingest::captured_committed() const {
  if (parts_.group_log() != nullptr) return ~std::uint64_t{0};
  const std::lock_guard lock(mutex_);
  return whole_.workers ? whole_.workers->captured_committed() : 0;
}

std::vector<ingest::InputLag> Ingest::lag() const {
  std::vector<ingest::InputLag> all;
  for_each([&](const Workers& workers) {
    for (auto& input : workers.lag()) {
      const auto known = std::ranges::find(all, input.input, &ingest::InputLag::input);
      if (known == all.end()) {
        all.push_back(std::move(input));
        continue;
      }
      if (input.events) known->events = known->events.value_or(0) + *input.events;
      if (input.bytes) known->bytes = known->bytes.value_or(0) + *input.bytes;
      known->age = std::max(known->age, input.age);
    }
  });
  return all;
}

bool Ingest::idle() const {
  bool idle = true;
  for_each([&](const Workers& workers) { idle = idle && workers.idle(); });
  return idle;
}

bool Ingest::resting() const {
  bool resting = true;
  for_each([&](const Workers& workers) { resting = resting && workers.resting(); });
  return resting;
}

bool Ingest::caught_up() const {
  bool caught_up = size() > 0;
  for_each([&](const Workers& workers) { caught_up = caught_up && workers.caught_up(); });
  return caught_up;
}

std::optional<Error> Ingest::failure() const {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return failure_;
  }
  const std::lock_guard lock(mutex_);
  if (whole_.workers) return whole_.workers->failure();
  for (const auto& [shard, kept] : kept_)
    if (kept->shard.workers && !kept->going)
      if (auto failure = kept->shard.workers->failure()) return failure;
  return std::nullopt;
}

std::optional<GroupStatus> Ingest::group() const {
  auto* const log = parts_.group_log();
  if (log == nullptr) return std::nullopt;
  GroupStatus status{.shards = log->shards(),
                     .rebalances = log->rebalances(),
                     .trouble = log->group_trouble(),
                     .sources_differ = log->sources_differ()};
  const std::lock_guard lock(mutex_);
  for (const auto& [shard, kept] : kept_) {
    if (kept->let_go) continue;
    if (kept->shard.workers) {
      status.here.push_back(shard);
      status.restored_in_max = std::max(status.restored_in_max, kept->restored_in);
    } else {
      status.restoring.push_back(shard);
    }
  }
  return status;
}

}  // namespace penstock::topology
