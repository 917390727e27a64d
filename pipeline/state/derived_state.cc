#include "pipeline/state/derived_state.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/event/sent_again.h"
#include "pipeline/state/checkpoints.h"
#include "pipeline/state/state_database.h"
#include "pipeline/state/state_origin.h"

namespace penstock {

using namespace state;

namespace {

std::uint64_t events_in(const Offsets& offsets) { return std::accumulate(offsets.begin(), offsets.end(), std::uint64_t{0}); }

// The newest that may be relied on; those found damaged join the useless ones. Without any it is that of the empty state, which
// needs no folder.
Result<Checkpoint> newest_sound(const Checkpoints& checkpoints, std::vector<Checkpoint>& useless) {
  TRY_ASSIGN(const auto all, checkpoints.list());
  for (const Checkpoint& checkpoint : all) {
    if (std::ranges::find(useless, checkpoint.folder, &Checkpoint::folder) != useless.end()) continue;
    const auto checked = checkpoints.check(checkpoint);
    if (checked) return checkpoint;
    log_warning("state", "the checkpoint {} cannot be relied on: {}", checkpoint.folder, checked.error().message);
    if (checked.error().kind == ErrorKind::corrupt) useless.push_back(checkpoint);
  }
  return Checkpoint{};
}

}  // namespace

struct DerivedState::Impl {
  Impl(StateOptions given, Database opened, Checkpoints kept, Log& log_to_follow, const Clock& time, Standing stored)
      : options(std::move(given)), trouble(opened.trouble), database(std::move(opened)), log(log_to_follow), clock(time),
        checkpoints(std::move(kept)), standing(stored), next_sequence(stored.next_sequence),
        chain_version(stored.chain_version), complete_from_ms(stored.complete_from_ms),
        flushed_sequence(stored.next_sequence), events_at_flush(events_in(log_to_follow.end(LogName::events))),
        flusher([this] { flush_when_asked(); }) {
    dead_letters.emplace(*database.db, *database.families[kDead]);
  }
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  template <class Record>
  Result<void> apply(std::uint64_t sequence, const Record& record, std::uint64_t gone_before = 0);
  template <class Record>
  Result<void> write(std::uint64_t sequence, const Record& record);
  Result<void> catch_up(const std::stop_token& stop = {});
  Result<void> recover();
  Result<void> reopen();
  void note_behind(Error error);
  Result<void> flush();
  void ask_for_flush();
  void flush_when_asked();
  void note_checkpoint(const Checkpoint& newest);
  Result<void> take_checkpoint();  // with checkpointing

  const StateOptions options;
  const std::shared_ptr<database::DiskTrouble> trouble;
  // Closed and opened again under `applying`, when nobody else holds it: whoever has neither must not touch it.
  Database database;
  std::optional<dead::DeadLetterTable> dead_letters;
  Log& log;
  const Clock& clock;

  std::mutex checkpointing;
  Checkpoints checkpoints;  // guarded by checkpointing
  Timestamp checkpointed_at;  // guarded by checkpointing; 0: there is none
  std::vector<Checkpoint> useless;  // guarded by checkpointing
  std::atomic<std::uint64_t> checkpointed_sequence = 0;

  std::mutex applying;
  // Guarded by applying.
  Standing standing;
  std::optional<Error> broken;

  std::atomic<bool> behind = false;  // whether there is `broken`
  std::atomic<std::uint64_t> next_sequence;
  std::atomic<std::uint64_t> chain_version;
  std::atomic<std::int64_t> complete_from_ms;
  std::atomic<std::uint64_t> flushed_sequence;
  std::uint64_t events_at_flush;  // of the log, when the last flush was asked for; guarded by applying

  std::mutex mutex;
  std::condition_variable asked;  // with mutex
  bool flush_asked = false;  // guarded by mutex
  bool closing = false;  // guarded by mutex
  std::thread flusher;  // so that the log's thread, which applies, never waits for a flush
};

DerivedState::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    closing = true;
  }
  asked.notify_one();
  flusher.join();
  if (const auto flushed = flush(); !flushed)
    log_warning("state", "{}; the next start reads more of the log", flushed.error().message);
}

template <class Record>
Result<void> DerivedState::Impl::apply(std::uint64_t sequence, const Record& record, std::uint64_t gone_before) {
  if (broken) return fail(*broken);
  if (sequence < standing.next_sequence) return {};
  auto applied = sequence - std::min(sequence, gone_before) <= standing.next_sequence
                     ? write(sequence, record)
                     : fail(ErrorKind::io, fmt::format("record {} came where {} should", sequence, standing.next_sequence));
  if (!applied) {
    note_behind(std::move(applied).error());
    return fail(*broken);
  }
  if (const auto events = events_in(log.end(LogName::events)); events - events_at_flush >= kFlushEvents) {
    events_at_flush = events;
    ask_for_flush();
  }
  return {};
}

void DerivedState::Impl::note_behind(Error error) {
  broken = std::move(error).context("the derived state is behind the log");
  behind = true;
  if (!trouble->refuses()) log_error("state", "{}", broken->message);
}

template <class Record>
Result<void> DerivedState::Impl::write(std::uint64_t sequence, const Record& record) {
  rocksdb::WriteBatch batch;
  for (const SourcePosition& position : record.positions) {
    batch.Put(database.families[kPositions], pair_key(position.source, position.partition), position.position);
  }
  for (const DeadLetter& letter : record.dead) {
    if (is_mark(letter)) TRY(dead_letters->remove(batch, dead_letter_id(letter)));
    else TRY(dead_letters->put(batch, letter));
  }
  for (const StateChange& change : record.state) {
    const std::string key = pair_key(change.table, change.key);
    if (change.removed) {
      batch.Delete(database.families[kTables], key);
    } else {
      batch.Put(database.families[kTables], key, encode_value(change));
    }
  }
  Standing after = standing;
  after.next_sequence = sequence + 1;
  after.chain_version = record.chain_version;
  batch.Put(database.families[kMeta], std::string(kStanding), encode(after));
  TRY(state::write(database, batch));
  standing = after;
  chain_version = after.chain_version;
  next_sequence = after.next_sequence;
  return {};
}

Result<void> DerivedState::Impl::catch_up(const std::stop_token& stop) {
  const std::uint64_t end = log.next_sequence(LogName::events);
  TRY_ASSIGN(const auto reader, log.read_from_sequence(LogName::events, standing.next_sequence));
  std::uint64_t events = 0;
  while (standing.next_sequence < end) {
    if (stop.stop_requested()) return fail(ErrorKind::stopped, "stopped on the way");
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) break;
    TRY(apply(record->sequence, *record, record->gone_before));
    events += record->state.size() + record->dead.size();
    for (const auto& chunk : record->chunks) events += chunk->size();
    if (events < kFlushEvents) continue;
    events = 0;
    log_info("state", "catching up with the log `events`: record {} of {}", standing.next_sequence, end);
    TRY(flush());
  }
  return {};
}

void DerivedState::Impl::note_checkpoint(const Checkpoint& newest) {
  checkpointed_sequence = newest.next_sequence;
  checkpointed_at = newest.taken_at;
}

Result<void> DerivedState::Impl::take_checkpoint() {
  TRY_ASSIGN(const auto held, trouble->hold());
  if (checkpointed_sequence == next_sequence) return {};
  auto taken = checkpoints.take(database);
  if (!taken) return fail(std::move(taken).error().context("no checkpoint of the state could be taken"));
  note_checkpoint(*taken);
  log_info("state", "took a checkpoint of the state before record {} of the log `events`", taken->next_sequence);
  return {};
}

// It stands at its last flush then, and is behind.
Result<void> DerivedState::Impl::reopen() {
  behind = true;
  broken = Error{ErrorKind::unavailable, "the derived state was opened again"};
  dead_letters.reset();
  database = Database();
  TRY_ASSIGN(database, open_database(options.folder, {clock, options.env}, trouble));
  dead_letters.emplace(*database.db, *database.families[kDead]);
  TRY_ASSIGN(standing, read_standing(database, options.folder));
  chain_version = standing.chain_version;
  next_sequence = flushed_sequence = standing.next_sequence;
  return {};
}

// `behind` stays until all is well again: what is read meanwhile would be old.
Result<void> DerivedState::Impl::recover() {
  rocksdb::Env& env = options.env == nullptr ? *rocksdb::Env::Default() : *options.env;
  TRY(trouble->mend(env, options.folder, [this] { return reopen(); }));
  if (!broken) return {};
  broken.reset();
  auto caught_up = catch_up();
  if (!caught_up) {
    if (!broken) note_behind(caught_up.error());
    return caught_up;
  }
  behind = false;
  log_info("state", "the derived state has caught up with the log");
  return {};
}

Result<void> DerivedState::Impl::flush() {
  TRY_ASSIGN(const auto held, trouble->hold());
  const std::uint64_t reached = next_sequence;
  TRY(state::flush(database));
  // Two threads may flush at once; what was reached never goes back.
  std::uint64_t known = flushed_sequence;
  while (known < reached && !flushed_sequence.compare_exchange_weak(known, reached)) {}
  return {};
}

void DerivedState::Impl::ask_for_flush() {
  {
    const std::lock_guard lock(mutex);
    flush_asked = true;
  }
  asked.notify_one();
}

void DerivedState::Impl::flush_when_asked() {
  name_this_thread("state-flush");
  std::unique_lock lock(mutex);
  for (;;) {
    asked.wait(lock, [&] { return flush_asked || closing; });
    if (closing) return;
    flush_asked = false;
    lock.unlock();
    const auto flushed = flush();
    if (!flushed && !trouble->refuses()) log_error("state", "{}; trying again later", flushed.error().message);
    lock.lock();
  }
}

Result<std::unique_ptr<DerivedState>> DerivedState::open(StateOptions options, Log& log, const Clock& clock,
                                                         const std::stop_token& stop) {
  const Surroundings around{clock, options.env};
  TRY_ASSIGN(Opened opened, open_from({options.folder, options.checkpoints}, log, around));
  TRY_ASSIGN(const Standing standing, read_standing(opened.database, options.folder));
  Checkpoints checkpoints(options.checkpoints, around);
  TRY_ASSIGN(const Checkpoint newest, newest_sound(checkpoints, opened.useless));
  const std::string folder = options.folder;
  auto impl =
      std::make_unique<Impl>(std::move(options), std::move(opened.database), std::move(checkpoints), log, clock, standing);
  impl->note_checkpoint(newest);
  impl->useless = std::move(opened.useless);
  if (auto caught_up = impl->catch_up(stop); !caught_up) {
    return fail(caught_up.error().context("the state in " + folder + " cannot catch up with the log"));
  }
  return std::unique_ptr<DerivedState>(new DerivedState(std::move(impl)));
}

Result<void> DerivedState::verify(const std::string& folder, const Clock& clock) {
  TRY_ASSIGN(const Database database, open_read_only(folder, {clock, nullptr}));
  TRY(read_standing(database, folder));
  return state::verify(database);
}

Result<DerivedState::Stored> DerivedState::read_stored(const std::string& folder, std::string_view source,
                                                       const Clock& clock) {
  TRY_ASSIGN(const Database database, open_read_only(folder, {clock, nullptr}));
  TRY_ASSIGN(const Standing standing, read_standing(database, folder));
  TRY_ASSIGN(auto positions, read_positions(database, source));
  return Stored{standing.next_sequence, std::move(positions)};
}

DerivedState::DerivedState(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DerivedState::~DerivedState() = default;

Result<void> DerivedState::apply(std::uint64_t sequence, const LogRecord& record) {
  const std::lock_guard lock(impl_->applying);
  return impl_->apply(sequence, record);
}

Result<void> DerivedState::apply(const StoredRecord& record) {
  const std::lock_guard lock(impl_->applying);
  return impl_->apply(record.sequence, record, record.gone_before);
}

Result<void> DerivedState::recover() {
  const std::lock_guard lock(impl_->applying);
  return impl_->recover();
}

std::optional<Error> DerivedState::failure() const { return impl_->trouble->failure(); }

Result<std::vector<SourcePosition>> DerivedState::positions_of(std::string_view source) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  return read_positions(impl_->database, source);
}

std::uint64_t DerivedState::chain_version() const { return impl_->chain_version; }

Result<std::optional<StateValue>> DerivedState::value(std::string_view table, std::string_view key) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  TRY_ASSIGN(const auto stored, state::get(impl_->database, kTables, pair_key(table, key)));
  if (!stored) return std::nullopt;
  return decode_value(*stored);
}

Result<std::optional<StateValue>> DerivedState::get(std::string_view table, std::string_view key, Timestamp now) {
  if (impl_->behind) return fail(ErrorKind::unavailable, "the derived state is behind the log");
  auto stored = value(table, key);
  if (!stored && stored.error().kind == ErrorKind::io) return fail(ErrorKind::unavailable, stored.error().message);
  if (stored && *stored && (*stored)->expired(now)) return std::nullopt;
  return stored;
}

dead::HeldDeadLetters DerivedState::dead_letters() const {
  auto held = impl_->trouble->hold();
  if (!held) return dead::HeldDeadLetters(std::move(held).error());
  return {*std::move(held), *impl_->dead_letters};
}

Result<void> DerivedState::remove_dead_letters(const std::vector<std::string>& ids) {
  {
    const std::lock_guard lock(impl_->applying);
    TRY(impl_->recover());
    rocksdb::WriteBatch batch;
    for (const std::string& id : ids) TRY(impl_->dead_letters->remove(batch, id));
    TRY(write(impl_->database, batch));
  }
  return impl_->flush();
}

std::uint64_t DerivedState::next_sequence() const { return impl_->next_sequence; }
std::uint64_t DerivedState::flushed_sequence() const { return impl_->flushed_sequence; }

std::optional<Timestamp> DerivedState::complete_from() const {
  const std::int64_t ms = impl_->complete_from_ms;
  if (ms == 0) return std::nullopt;
  return Timestamp{ms};
}

std::uint64_t DerivedState::checkpointed_sequence() const { return impl_->checkpointed_sequence; }

Result<void> DerivedState::take_checkpoint() {
  const std::lock_guard one(impl_->checkpointing);
  return impl_->take_checkpoint();
}

Result<void> DerivedState::take_checkpoint_if_due() {
  TRY(recover());
  const std::lock_guard one(impl_->checkpointing);
  const Duration age{impl_->clock.now().ms - impl_->checkpointed_at.ms};
  const bool clock_was_set_back = age < Duration(0);
  if (!clock_was_set_back && age < impl_->options.checkpoint_every) return {};
  return impl_->take_checkpoint();
}

Result<void> DerivedState::remove_useless_checkpoints() {
  const std::lock_guard one(impl_->checkpointing);
  for (const Checkpoint& checkpoint : std::exchange(impl_->useless, {})) {
    log_warning("state", "removed the checkpoint {}: it is damaged, or knows records that the log `events` does not have",
                checkpoint.folder);
    TRY(impl_->checkpoints.remove(checkpoint));
  }
  return {};
}

Result<void> DerivedState::copy_to(const std::string& folder) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  return copy_database(impl_->database, folder);
}

Result<void> DerivedState::flush() { return impl_->flush(); }

}  // namespace penstock
