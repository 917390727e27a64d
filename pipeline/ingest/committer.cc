#include "pipeline/ingest/committer.h"

namespace penstock::ingest {
namespace {
constexpr std::size_t kLetterBytes = 96;  // uuid, times and numbers of one, and the lengths of its texts
}

Committer::Committer(Log& log, const Clock& clock, StateOverlay& state, CommitLimits limits, WorkerMetrics metrics,
                     CommitListener listener)
    : log_(log), clock_(clock), state_(state), limits_(limits), metrics_(metrics), listener_(std::move(listener)),
      chunks_(log.partitions(), log.takes_open_chunks() ? std::nullopt : std::optional(limits.compression)) {}

Committer::~Committer() {
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [&] { return !in_flight_; });
}

std::size_t Committer::bytes_of(const DeadLetter& letter) {
  std::size_t bytes = kLetterBytes;
  for (const std::string* text : {&letter.stage, &letter.app, &letter.code, &letter.reason, &letter.source, &letter.place,
                                  &letter.event, &letter.distinct_id, &letter.project, &letter.body})
    bytes += text->size();
  return bytes;
}

void Committer::add(DeadLetter letter) {
  dead_bytes_ += bytes_of(letter);
  dead_.push_back(std::move(letter));
}

void Committer::move_to(const std::string& source, const std::string& partition, std::string position) {
  positions_[{source, partition}] = std::move(position);
}

void Committer::touch() {
  if (!opened_) opened_ = clock_.steady();
}

bool Committer::full() const {
  if (!opened_) return false;
  return chunks_.events() + dead_.size() >= limits_.events || bytes() >= limits_.bytes ||
         clock_.steady() - *opened_ >= limits_.within;
}

bool Committer::quiet() const {
  const std::lock_guard lock(mutex_);
  return !in_flight_ && !refused_;
}

bool Committer::has_room(std::size_t events, std::size_t bytes) const {
  return chunks_.events() + dead_.size() + events <= limits_.record_events && this->bytes() + bytes <= limits_.record_bytes;
}

bool Committer::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

Result<void> Committer::settle() {
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [&] { return !in_flight_; });
  if (!refused_) return {};
  Error error = *std::exchange(refused_, std::nullopt);
  return fail(std::move(error));
}

Result<void> Committer::commit(std::uint64_t chain_version) {
  TRY(settle());
  LogRecord record;
  auto finished = chunks_.finish();
  record.chunks = std::move(finished.chunks);
  record.open_chunks = std::move(finished.open_chunks);
  record.attachments = std::move(finished.attachments);
  record.dead = std::move(dead_);
  for (auto& [key, position] : positions_) record.positions.push_back({key.first, key.second, std::move(position)});
  record.state = state_.begin_commit();
  record.chain_version = chain_version;
  begin_batch();

  // Derived state needs everything but the events, once they are durable.
  LogRecord changes{.chunks = {},
                    .dead = record.dead,
                    .state = record.state,
                    .positions = record.positions,
                    .chain_version = chain_version};
  {
    const std::lock_guard lock(mutex_);
    in_flight_ = true;
  }
  const auto started = clock_.steady();
  log_.append(LogName::events, std::move(record), [this, started, changes = std::move(changes)](Result<Appended> appended) {
    if (appended) {
      metrics_.commits.add();
      metrics_.commit_seconds.observe(std::chrono::duration<double>(clock_.steady() - started).count());
      listener_(appended->sequence, changes);
    }
                // Notified under the lock: the waiter may destroy this object as soon as it sees the answer.
    const std::lock_guard lock(mutex_);
    in_flight_ = false;
    if (appended) {
      for (const auto& moved : changes.positions) committed_[moved.source][moved.partition] = moved.position;
    } else {
      refused_ = std::move(appended).error();
    }
    answered_.notify_all();
  });
  return {};
}

std::map<std::string, std::string> Committer::committed(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto found = committed_.find(source);
  return found == committed_.end() ? std::map<std::string, std::string>() : found->second;
}

void Committer::discard() {
  begin_batch();
  state_.forget();
}

void Committer::begin_batch() {
  chunks_.finish();
  dead_.clear();
  dead_bytes_ = 0;
  positions_.clear();
  opened_.reset();
}

}  // namespace penstock::ingest
