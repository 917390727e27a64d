#include "pipeline/ingest/worker.h"

#include <algorithm>

#include "pipeline/base/check.h"
#include "pipeline/base/log.h"
#include "pipeline/event/sent_again.h"

namespace penstock::ingest {
namespace {

// How long the worker sleeps when there is nothing to do: bounds the latency of followed files and of a commit's answer.
constexpr std::uint32_t kUuidsAhead = 4;  // far enough for the memory to answer
constexpr Duration kIdleWait{20};
constexpr Duration kIdleWaitInFlight{2};
// After apps made more of a batch than one commit holds: how many small ones follow before a large one is tried again.
constexpr int kCarefulCommits = 64;
// That it has passed over records of others a worker commits with its next batch, and after this time by itself: retention
// and the next start want to know.
constexpr Duration kPassedWithin{1000};
// How many of them may come in one slice of work, so that the worker looks up now and then.
constexpr int kPassedAtOnce = 1000;

std::vector<std::string> names_of(const std::vector<PolledInput>& polled) {
  std::vector<std::string> names;
  for (const auto& input : polled) names.push_back(input.identity.name);
  return names;
}

}  // namespace

struct Worker::Polled {
  explicit Polled(PolledInput given) : input(std::move(given)), facts(input.identity.paths, input.identity.project) {}

  PolledInput input;
  std::size_t number = 0;  // among the polled sources
  FactReader facts;
  RawBatch batch;
  bool finished = false;
};

Worker::Worker(Log& log, const Clock& clock, StoredPositions positions, CommitListener listener, StateView& state,
               SeenUuids& seen, std::unique_ptr<Transform> chain, std::vector<PolledInput> polled,
               std::vector<PushedInput> pushed, WorkerOptions options, WorkerMetrics metrics)
    : log_(log), clock_(clock), positions_(std::move(positions)), options_(options), metrics_(metrics),
      chain_(std::move(chain)), state_(state), committer_(log, clock, state_, options.commit, metrics, std::move(listener)),
      claims_(seen, seen_of(options.uuids_of_log)), transformer_(*chain_, committer_, state_, claims_, log.partitions()),
      captured_next_(static_cast<std::size_t>(log.partitions()), 0), lag_(log, clock, names_of(polled), options_.share),
      chain_version_(chain_->version()) {
  CHECK(options_.share.index < log.partitions());  // it has one at least
  for (auto& input : polled) {
    polled_.push_back(std::make_unique<Polled>(std::move(input)));
    polled_.back()->number = polled_.size() - 1;
  }
  for (auto& input : pushed) {
    const std::string name = input.identity.name;
    pushed_.emplace(name, std::move(input));
  }
}

Worker::~Worker() = default;

Result<void> Worker::open() {
  TRY_ASSIGN(const auto captured, position_of(kCapturedSource));
  TRY_ASSIGN(captured_next_, captured_positions(captured, log_.partitions()));
  TRY_ASSIGN(captured_, log_.read_share(LogName::captured, captured_position(), options_.share));
  TRY(lag_.open(captured_position()));
  captured_at_end_ = captured_moved_ = false;
  passed_at_.reset();
  captured_appended_ = captured_durable_ = captured_position();
  for (auto& polled : polled_) {
    const auto& name = polled->input.identity.name;
    TRY_ASSIGN(const auto stored, position_of(name));
    if (auto opened = polled->input.source->open(stored); !opened) {
      return fail(std::move(opened).error().context("source " + name));
    }
    polled->finished = false;
  }
  return {};
}

Result<bool> Worker::step() {
  if (closed_) TRY(reopen());
  if (closed_) return false;
  swap_chain_between_batches();
  look_at_lag();
  tell_of_dead_letters();
  // What was taken before the chain began to hold is committed all the same.
  holding_ = chain_->holding() || (options_.gate != nullptr && options_.gate->is_shut());
  const auto read = holding_ ? Result<bool>(false) : read_inputs();
  if (!read) {
    if (transformer_.take_overflow()) return go_carefully();
    if (!state_.failure() && read.error().kind != ErrorKind::unavailable) return fail(read.error());
    // The answer first: a commit in flight is not to be read again if it becomes durable.
    if (const auto settled = committer_.settle(); !settled) return read_again(settled.error());
    note_durable();
    return read_again(read.error());
  }
  const bool progressed = *read;
  if (!progressed && captured_at_end_ && sources_wait()) holding_ = true;
  if (trial_goes_on(progressed)) return true;
  if (trial_failed()) return give_up_trial();
  auto committed = commit_if_due(progressed);
  if (!committed) return read_again(std::move(committed).error().context("the log refused a commit"));
  if (committer_.quiet()) note_durable();
  const bool moved = progressed || *committed;
  const bool nothing_to_do = !moved && !holding_ && captured_at_end_ && committer_.empty() && committer_.quiet();
  // In this order: whoever sees `idle_` also sees what it is about.
  if (nothing_to_do) captured_read_ = captured_position();
  finished_ = std::ranges::all_of(polled_, [](const auto& p) { return p->finished; });
  idle_ = nothing_to_do;
  return moved;
}

Result<void> Worker::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    step_began_ = clock_.steady();
    TRY_ASSIGN(const bool progressed, step());
    step_began_ = SteadyTime{};
    if (!progressed) wait_for_input(stop);
  }
  return finish();
}

Result<void> Worker::finish() {
  if (trial_) {  // nobody has judged it
    chain_->give_up_batch();
    committer_.discard();
    transformer_.batch_discarded();
    claims_.give_up();
  }
  if (!committer_.empty()) TRY(commit());
  TRY(committer_.settle());
  note_durable();
  tell_of_dead_letters();
  for (auto& polled : polled_) polled->input.source->close();
  return {};
}

Duration Worker::busy() const {
  const SteadyTime began = step_began_;
  return began == SteadyTime{} ? Duration(0) : std::chrono::duration_cast<Duration>(clock_.steady() - began);
}

void Worker::set_chain(std::unique_ptr<Transform> chain) {
  const std::lock_guard lock(mutex_);
  next_chain_ = std::move(chain);
  wake_.notify_all();
}

void Worker::swap_chain_between_batches() {
  const std::lock_guard lock(mutex_);
  if (!next_chain_ || !committer_.empty()) return;
  next_chain_->distrust(chain_->distrusted());
  chain_ = std::move(next_chain_);
  transformer_.set_chain(*chain_);
  chain_version_ = chain_->version();
}

Result<bool> Worker::read_inputs() {
  const Timestamp now = clock_.now();
  // app.now() is the time of the batch, not of the slice: it changes when a new batch begins.
  if (committer_.empty()) {
    chain_->publish();
    chain_->begin_batch(now, &state_);
    trial_ = chain_->standing() == Standing::on_trial;
    // What may have to be given up begins when all before it is durable.
    if (trial_ && !committer_.quiet()) return false;
  } else if (!trial_ && chain_->standing() != Standing::good) {
    return false;  // what was made before the app failed is committed first
  }
  TRY_ASSIGN(bool progressed, read_captured(now));
  for (auto& polled : polled_) {
    if (!takes_more()) break;
    if (polled->finished || draining_ || sources_wait()) continue;
    TRY_ASSIGN(const bool read, read_polled(*polled, now));
    progressed |= read;
  }
  return progressed;
}

bool Worker::sources_wait() const { return options_.gate != nullptr && options_.gate->is_closed(); }

bool Worker::takes_more() const {
  if (committer_.full() || (careful_ > 0 && !committer_.empty())) return false;
  return !chain_->holding() && chain_->standing() != Standing::out;
}

Result<bool> Worker::read_captured(Timestamp now) {
  bool progressed = false;
  int passed = 0;
  state_.enter({});
  // Record by record: what comes after the verdict on an app is to wait, and not to be spoilt.
  while (passed < kPassedAtOnce && takes_more()) {
    TRY_ASSIGN(const auto record, captured_->next());
    captured_at_end_ = record == nullptr;
    if (!record) {
      lag_.captured_at_end();
      break;
    }
    lag_.took(*record);
    TRY_ASSIGN(const bool taken, take_record(*record, now));
    passed += taken ? 0 : 1;
    progressed = true;
  }
  return progressed;
}

void Worker::tell_of_dead_letters() {
  if (const auto deaths = transformer_.deaths_due(clock_.steady())) log_warning("ingest", "{}", *deaths);
}

void Worker::look_at_lag() {
  if (!lag_.due()) return;
  for (const auto& polled : polled_) lag_.show(polled->number, polled->input.source->unread_bytes());
}

// False: all of it is for others.
Result<bool> Worker::take_record(const StoredRecord& record, Timestamp now) {
  const auto is_ours = [&](int partition) { return is_to_be_read(partition, record.sequence); };
  const bool ours = std::ranges::any_of(record.chunks, is_ours, &Chunk::partition) ||
                    std::ranges::any_of(record.dead, is_ours, &DeadLetter::partition);
  if (ours) {
    transformer_.begin_unit(!committer_.empty());
    committer_.touch();
  } else if (!passed_at_) {
    passed_at_ = clock_.steady();
  }
  for (const auto& chunk : record.chunks)
    if (is_ours(chunk->partition())) TRY(take_chunk(*chunk, marks_of(record, chunk->partition()), now));
  Tally tally;
  for (const auto& letter : record.dead) {
    if (is_ours(letter.partition) && is_taken_out(letter)) committer_.add(letter);
    else if (is_ours(letter.partition) && !is_sent_again(letter)) TRY(transformer_.dead_on_arrival(letter, tally));
  }
  if (tally.dead > 0) transformer_.count(tally, {});
  // How far a source was read whose records come this way; one worker is enough to tell.
  if (is_ours(0))
    for (const auto& [source, input, position] : record.positions) committer_.move_to(source, input, position);
  for (std::uint64_t& next : captured_next_) next = std::max(next, record.sequence + 1);
  captured_moved_ = true;
  return ours;
}

// Of each event of a partition that is sent again, in their order; of none when it is an ordinary push.
Worker::Marks Worker::marks_of(const StoredRecord& record, int partition) {
  Marks marks;
  for (const auto& letter : record.dead)
    if (letter.partition == partition && is_sent_again(letter)) marks.push_back(&letter);
  return marks;
}

// All events of a chunk in `captured` are of one push, and so of one source.
Result<void> Worker::take_chunk(const Chunk& chunk, const Marks& marks, Timestamp now) {
  if (!marks.empty() && marks.size() != chunk.size()) {
    return fail(ErrorKind::corrupt, "captured: events that are sent again do not go with their dead letters");
  }
  const auto pushed = pushed_.find(chunk.facts(0).source);
  // A source that was removed from the configuration: its accepted events go on as canonical ones.
  const bool known = pushed != pushed_.end();
  const bool canonical = !known || pushed->second.identity.paths.canonical();
  Tally tally;
  for (std::uint32_t i = 0; i < chunk.size(); ++i) {
    if (i + kUuidsAhead < chunk.size()) claims_.expect(chunk.facts(i + kUuidsAhead).uuid);
    TRY_ASSIGN(const std::string_view body, chunk.body(i));
    TRY(transformer_.accepted(chunk.facts(i), body, canonical, now, tally, marks.empty() ? nullptr : marks[i]));
    if (trial_failed()) return {};
  }
  transformer_.count(tally, known ? pushed->second.metrics : SourceMetrics{});
  return {};
}

Result<bool> Worker::read_polled(Polled& polled, Timestamp now) {
  auto& [identity, source, metrics] = polled.input;
  polled.batch.clear();
  const bool small = careful_ > 0 || chain_->on_trial();
  state_.enter(identity.name);
  transformer_.begin_unit(careful_ == 0);
  auto state = source->poll(polled.batch, small ? options_.trial_bytes : options_.poll_bytes);
  if (!state) return fail(std::move(state).error().context("source " + identity.name));
  for (const auto& warning : polled.batch.warnings) {
    log_at(warning.loss ? LogLevel::error : LogLevel::warning, "ingest", "source {}: {}", identity.name, warning.text);
    (warning.loss ? metrics.losses : metrics.warnings).add();
  }
  Tally tally;
  const RawBatch& batch = polled.batch;
  tally.received = batch.records.size();
  for (const auto& record : batch.records) {
    TRY(record.tombstone ? transformer_.tombstone(record, batch.derived_from(), batch.label, identity, now, tally)
                         : transformer_.raw(record, batch.derived_from(), batch.label, polled.facts, identity, now, tally));
    tally.received_bytes += record.body.size();
    if (trial_failed()) return true;
  }
  transformer_.count(tally, metrics);
  if (!polled.batch.position.empty()) {
    committer_.touch();
    committer_.move_to(identity.name, polled.batch.partition, std::move(polled.batch.position));
  }
  polled.finished = *state == PollState::finished;
  lag_.polled(polled.number, *state != PollState::more);
  return *state == PollState::more || !polled.batch.records.empty();
}

Result<bool> Worker::commit_if_due(bool progressed) {
  // A refusal is noticed here even when there is nothing to commit.
  if (!committer_.in_flight()) TRY(committer_.settle());
  if (passed_at_ && clock_.steady() - *passed_at_ >= kPassedWithin) committer_.touch();
  if (committer_.empty()) return false;
  const bool nothing_more_now = !progressed && !committer_.in_flight();
  if (!committer_.full() && !nothing_more_now && careful_ == 0) return false;
  TRY(commit());
  if (careful_ > 0) --careful_;
  return true;
}

Result<void> Worker::commit() {
  if (captured_moved_) {
    for (int p = options_.share.index; p < log_.partitions(); p += options_.share.of)
      committer_.move_to(kCapturedSource, std::to_string(p),
                         encode_captured_position(captured_next_[static_cast<std::size_t>(p)]));
  }
  if (options_.gate != nullptr) options_.gate->spend(committer_.bytes());
  TRY(committer_.commit(chain_version_));
  note_appended();
  return {};
}

// The batch was appended, so the one before it is durable.
void Worker::note_appended() {
  transformer_.batch_appended();
  claims_.batch_appended();
  captured_durable_ = captured_appended_;
  captured_appended_ = captured_position();
  captured_moved_ = false;
  passed_at_.reset();
  const Timestamp covered = claims_.covers_from();
  metrics_.dedup_covers.set(covered.ms == 0 ? 0 : static_cast<double>(clock_.now().ms - covered.ms) / 1000);
}

void Worker::note_durable() {
  transformer_.batch_durable();
  claims_.batch_durable();
  captured_durable_ = captured_appended_;
}

Result<bool> Worker::read_again(Error reason) {
  if (reason.kind != ErrorKind::unavailable) return fail(std::move(reason));
  log_warning("ingest", "{}; what it was about will be read again", reason.message);
  transformer_.appended_discarded();
  claims_.give_up();
  TRY(rewind(options_.again_after));
  return false;
}

// The apps made more of a batch than one commit holds: the same input again, a little at a time.
Result<bool> Worker::go_carefully() {
  if (const auto settled = committer_.settle(); !settled) return read_again(settled.error());
  note_durable();
  claims_.give_up();
  careful_ = kCarefulCommits;
  TRY(rewind(Duration(0)));
  return true;
}

Result<void> Worker::rewind(Duration wait) {
  idle_ = false;
  metrics_.rewinds.add();
  if (std::exchange(trial_, false)) chain_->give_up_batch();
  committer_.discard();
  transformer_.batch_discarded();
  for (auto& polled : polled_) polled->input.source->close();
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, wait, [&] { return next_chain_ != nullptr || draining_; });
  lock.unlock();
  return reopen();
}

// A log that is elsewhere may not answer for a while.
Result<void> Worker::reopen() {
  auto opened = open();
  closed_ = !opened && opened.error().kind == ErrorKind::unavailable;
  if (!closed_) return opened;
  log_warning("ingest", "{}; trying again", opened.error().message);
  return {};
}

void Worker::wait_for_input(std::stop_token stop) {
  const Duration wait = committer_.in_flight() ? kIdleWaitInFlight : kIdleWait;
  if (stop.stop_requested()) return;
  if (captured_at_end_ && !holding_ && !closed_) {
    captured_->wait(clock_.steady() + wait);  // a stop is noticed at the end of this short wait
    return;
  }
  // What waits in `captured` is not to be read now, so it is no reason to look up.
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, closed_ ? options_.again_after : wait,
                 [&] { return next_chain_ != nullptr && committer_.empty(); });
}

}  // namespace penstock::ingest
