#include "connectors/logs/kafka/event_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"

namespace penstock::logs::kafka {
namespace {

constexpr Duration kPatience{10'000};
constexpr Duration kSlice{100};
constexpr std::chrono::seconds kAfterError{1};

bool reached(const Offsets& position, const Offsets& target) {
  for (std::size_t p = 0; p < target.size(); ++p)
    if (position[p] < target[p]) return false;
  return true;
}

std::size_t size_of(const StoredRecord& record) {
  std::size_t sum = sizeof record;
  for (const auto& chunk : record.chunks) sum += chunk->memory();
  return sum;
}

// Whoever read alone has cut the same events into other records, so the first of the tail may begin with what he has. Null: he has
// all of it.
Result<EventTail::Record> unread_of(EventTail::Record record, const Offsets& position, MemoryBudget* memory) {
  const auto is_new = [&](const auto& chunk) {
    return chunk->base_offset() >= position[static_cast<std::size_t>(chunk->partition())];
  };
  if (reached(position, record->next)) return nullptr;
  if (std::ranges::all_of(record->chunks, is_new)) return record;
  auto rest = std::make_shared<StoredRecord>(*record);
  rest->chunks.clear();
  for (const auto& chunk : record->chunks) {
    const std::uint64_t from = std::max(position[static_cast<std::size_t>(chunk->partition())], chunk->base_offset());
    ChunkGatherer gatherer;
    for (std::uint64_t i = from - chunk->base_offset(); i < chunk->size(); ++i) {
      TRY_ASSIGN(const auto body, chunk->body(static_cast<std::uint32_t>(i)));
      gatherer.add(chunk->facts(static_cast<std::uint32_t>(i)), body);
    }
    if (!gatherer.empty()) rest->chunks.push_back(gatherer.finish(chunk->partition(), from, memory));
  }
  return rest;
}

}  // namespace

EventTail::EventTail(const Config& config, Reach& reach, MemoryBudget* memory, Bytes kept_max)
    : config_(config), reach_(reach), memory_(memory), kept_max_(kept_max), begin_(reach.end()), end_(begin_),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EventTail::~EventTail() = default;

void EventTail::run(const std::stop_token& stop) {
  name_this_thread("log-tail");
  std::unique_ptr<EventReader> reader;
  std::string told;
  while (!stop.stop_requested()) {
    Result<Record> record = nullptr;
    if (!reader) {
      auto opened = EventReader::open_one(config_, reach_, memory_, end_);  // only this thread moves it
      if (opened) reader = *std::move(opened);
      else record = fail(std::move(opened).error());
    }
    if (reader) record = reader->next_within(kSlice);
    if (!record) {
      if (told != record.error().message) log_warning("log", "{}", told = record.error().message);
      reader.reset();
      forget();
      std::unique_lock lock(mutex_);
      come_.wait_for(lock, stop, kAfterError, [] { return false; });
    } else if (*record) {
      told.clear();
      keep(*std::move(record));
    }
  }
}

void EventTail::keep(Record record) {
  // Others may write to a topic of another name, and nobody else would notice.
  reach_.grow(record->next, 0);
  const std::lock_guard lock(mutex_);
  end_ = record->next;
  bytes_ += size_of(*record);
  kept_.push_back(std::move(record));
  while (bytes_ > kept_max_.count && kept_.size() > 1) {
    bytes_ -= size_of(*kept_.front());
    begin_ = kept_.front()->next;
    kept_.pop_front();
    ++first_;
  }
  come_.notify_all();
}

// After an error: who reads on does it alone, and sees for himself what is wrong.
void EventTail::forget() {
  Offsets now = reach_.end();
  const std::lock_guard lock(mutex_);
  first_ += kept_.size() + 1;
  kept_.clear();
  bytes_ = 0;
  begin_ = end_ = std::move(now);
  come_.notify_all();
}

std::optional<std::uint64_t> EventTail::join(const Offsets& position) const {
  const std::lock_guard lock(mutex_);
  if (!reached(position, begin_)) return std::nullopt;
  // What he has read already is passed over here, and not by him.
  const auto first_new = std::ranges::find_if(kept_, [&](const Record& record) { return !reached(position, record->next); });
  return first_ + static_cast<std::uint64_t>(first_new - kept_.begin());
}

EventTail::Look EventTail::at(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  if (number < first_) return {nullptr, true};
  const std::uint64_t index = number - first_;
  return {index < kept_.size() ? kept_[static_cast<std::size_t>(index)] : nullptr};
}

void EventTail::wait_for(std::uint64_t number, std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  come_.wait_until(lock, deadline, [&] { return number < first_ + kept_.size(); });
}

Result<std::shared_ptr<const StoredRecord>> SharedReader::next() {
  if (!alone_) {
    TRY_ASSIGN(auto of_tail, next_of_tail());
    if (of_tail) return *std::move(of_tail);
  }
  return next_alone();
}

bool SharedReader::try_to_join() {
  if (!number_) number_ = tail_->join(position_);
  return number_.has_value();
}

// Nullopt: it is too far away.
Result<std::optional<SharedReader::Record>> SharedReader::next_of_tail() {
  const Offsets end = reach_.end();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (try_to_join()) {
    auto look = tail_->at(*number_);
    if (look.gone) {
      number_.reset();
      continue;
    }
    if (look.record) {
      ++*number_;
      TRY_ASSIGN(auto unread, unread_of(std::move(look.record), position_, memory_));
      if (!unread) continue;
      pass(*unread);
      return std::optional(std::move(unread));
    }
    if (reached(position_, end)) return std::optional<Record>(nullptr);
    const auto now = std::chrono::steady_clock::now();
    if (now > deadline) {
      return fail(ErrorKind::unavailable,
                  fmt::format("topic '{}': the brokers do not send what is there", config_.events_topic()));
    }
    tail_->wait_for(*number_, now + kSlice);
  }
  return std::nullopt;
}

Result<SharedReader::Record> SharedReader::next_alone() {
  if (!alone_) {
    TRY_ASSIGN(alone_, EventReader::open(config_, reach_, memory_, position_));
  }
  TRY_ASSIGN(auto record, alone_->next());
  if (record) pass(*record);
  if (try_to_join()) alone_.reset();
  return record;
}

void SharedReader::pass(const StoredRecord& record) {
  for (std::size_t p = 0; p < position_.size(); ++p) position_[p] = std::max(position_[p], record.next[p]);
}

}  // namespace penstock::logs::kafka
