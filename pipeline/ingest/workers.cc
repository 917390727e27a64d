#include "pipeline/ingest/workers.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/check.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/ingest/remember_uuids.h"

namespace penstock::ingest {

Workers::Workers(Log& log, const Clock& clock, const StoredPositions& positions, const CommitListener& listener,
                 StateView& state, std::vector<std::unique_ptr<Transform>> chains, std::vector<PolledInput> polled,
                 const std::vector<PushedInput>& pushed, DedupSettings dedup, WorkerOptions options,
                 const WorkerMetrics& metrics)
    : log_(log), clock_(clock), first_(static_cast<std::size_t>(options.share.index)), seen_(dedup),
      uuids_of_log_(options.uuids_of_log), chain_set_(chains.at(0)->version()) {
  std::vector<std::vector<PolledInput>> shares(chains.size());
  for (std::size_t n = 0; n < polled.size(); ++n) shares[n % shares.size()].push_back(std::move(polled[n]));
  const PartitionShare whole = std::exchange(options.share, {});
  options.share.of = whole.of * static_cast<int>(chains.size());
  for (std::size_t i = 0; i < chains.size(); ++i) {
    options.share.index = whole.index + whole.of * static_cast<int>(i);
    workers_.push_back(std::make_unique<Worker>(log, clock, positions, listener, state, seen_, std::move(chains[i]),
                                                std::move(shares[i]), pushed, options, metrics));
  }
}

Workers::~Workers() { stop(); }

Result<void> Workers::open(const std::stop_token& stop) {
  TRY(uuids_of_log_ == nullptr ? remember_uuids(seen_, log_, clock_, stop) : uuids_of_log_->catch_up(log_, clock_, stop));
  for (const auto& worker : workers_) TRY(worker->open());
  return {};
}

void Workers::start() {
  for (std::size_t i = 0; i < workers_.size(); ++i)
    threads_.emplace_back([this, i](const std::stop_token& stop) { run(i, stop); });
}

void Workers::run(std::size_t index, const std::stop_token& stop) {
  name_this_thread(fmt::format("worker-{}", first_ + index));
  auto ended = workers_[index]->run(stop);
  if (ended) return;
  const std::lock_guard lock(mutex_);
  // All of them read one log, and what is damaged there is met by each.
  if (failure_ && failure_->message == ended.error().message) return;
  log_error("ingest", "stopped: {}", ended.error().message);
  if (!failure_) failure_ = std::move(ended).error();
}

void Workers::stop() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();  // joins
}

void Workers::set_chains(std::vector<std::unique_ptr<Transform>> chains) {
  CHECK(chains.size() == workers_.size());
  chain_set_ = chains[0]->version();
  for (std::size_t i = 0; i < chains.size(); ++i) workers_[i]->set_chain(std::move(chains[i]));
}

void Workers::drain() {
  for (const auto& worker : workers_) worker->drain();
}

std::uint64_t Workers::chain_version() const {
  const std::uint64_t set = chain_set_;
  for (const auto& worker : workers_)
    if (const std::uint64_t version = worker->chain_version(); version != set) return version;
  return set;
}

IngestSums Workers::counts() const {
  IngestSums sums;
  for (const auto& worker : workers_) {
    const IngestCounts& counts = worker->counts();
    sums.kept += counts.kept;
    sums.dropped += counts.dropped;
    sums.duplicates += counts.duplicates;
    sums.dead += counts.dead;
  }
  return sums;
}

Duration Workers::busy() const {
  Duration longest{0};
  for (const auto& worker : workers_) longest = std::max(longest, worker->busy());
  return longest;
}

std::vector<InputLag> Workers::lag() const {
  std::vector<InputLag> all{{.input = "captured", .events = 0, .bytes = {}}};
  for (const auto& worker : workers_) {
    for (auto& input : worker->lag()) {
      if (!input.events) {
        all.push_back(std::move(input));
        continue;
      }
      *all.front().events += *input.events;
      all.front().age = std::max(all.front().age, input.age);
    }
  }
  return all;
}

std::uint64_t Workers::captured_committed() const {
  std::uint64_t committed = ~std::uint64_t{0};
  for (const auto& worker : workers_) committed = std::min(committed, worker->captured_committed());
  return committed;
}

// The answers are given one after another: what was pushed between two of them may be what the first knew nothing of.
bool Workers::idle() const {
  const std::uint64_t end = log_.next_sequence(LogName::captured);
  return std::ranges::all_of(workers_, &Worker::idle) && log_.next_sequence(LogName::captured) == end;
}

bool Workers::resting() const {
  return std::ranges::all_of(workers_, [](const auto& worker) { return worker->idle() || worker->holding(); });
}

bool Workers::caught_up() const { return std::ranges::all_of(workers_, &Worker::caught_up) && idle(); }

std::optional<Error> Workers::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace penstock::ingest
