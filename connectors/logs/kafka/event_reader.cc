#include "connectors/logs/kafka/event_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace penstock::logs::kafka {
namespace {

constexpr std::size_t kTakenAtOnce = 1000;
constexpr std::size_t kChunkBytes = 1 << 20;
constexpr Duration kPatience{10'000};
constexpr Duration kSlice{50};

}  // namespace

EventReader::EventReader(const Config& config, std::unique_ptr<penstock::kafka::Consumer> consumer, Reach& reach,
                         MemoryBudget* memory, Offsets start)
    : topic_(config.events_topic()), consumer_(std::move(consumer)), reach_(reach), memory_(memory), decoder_(config),
      next_(std::move(start)), told_(next_) {}

Result<std::unique_ptr<EventReader>> EventReader::open_one(const Config& config, Reach& reach, MemoryBudget* memory,
                                                           Offsets start) {
  TRY_ASSIGN(auto consumer, penstock::kafka::Consumer::start(reader_settings(config), {"log", "reader"}, nullptr));
  for (std::size_t p = 0; p < start.size(); ++p)
    TRY(consumer->begin_shared({config.events_topic(), static_cast<int>(p)}, start[p]));
  return std::unique_ptr<EventReader>(new EventReader(config, std::move(consumer), reach, memory, std::move(start)));
}

Result<std::unique_ptr<LogReader>> EventReader::open(const Config& config, Reach& reach, MemoryBudget* memory,
                                                     Offsets start) {
  return open_one(config, reach, memory, std::move(start));
}

Result<std::shared_ptr<const StoredRecord>> EventReader::next_within(Duration patience) {
  if (ready_.empty()) TRY(take(patience));
  if (ready_.empty()) return nullptr;
  auto record = std::move(ready_.front());
  ready_.pop_front();
  return record;
}

bool EventReader::is_before(const Offsets& end) const {
  for (std::size_t p = 0; p < end.size(); ++p)
    if (next_[p] < end[p]) return true;
  return false;
}

Result<std::shared_ptr<const StoredRecord>> EventReader::next() {
  const Offsets end = reach_.end();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (ready_.empty()) {
    const bool more = is_before(end);
    TRY(take(more ? kSlice : Duration(0)));
    if (!ready_.empty()) break;
    if (!more) return nullptr;
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::unavailable, fmt::format("topic '{}': the brokers do not send what is there", topic_));
  }
  auto record = std::move(ready_.front());
  ready_.pop_front();
  return record;
}

Result<void> EventReader::take(Duration patience) {
  received_.clear();
  consumer_->take_shared(kTakenAtOnce, patience, received_);
  for (const Received& each : received_) TRY(each.kind() == Received::Kind::message ? add(each) : heed(each));
  if (!gathered_.empty() || next_ != told_) close_record();
  return {};
}

Result<void> EventReader::heed(const Received& said) {
  const auto partition = static_cast<std::size_t>(said.partition());
  switch (said.kind()) {
    case Received::Kind::end: next_[partition] = std::max(next_[partition], said.offset()); return {};
    case Received::Kind::lost: {
      TRY_ASSIGN(const auto bounds, consumer_->bounds({topic_, said.partition()}, kPatience));
      reach_.begin_at(partition, bounds.first);
      return fail(ErrorKind::not_found, fmt::format("partition {} of topic '{}' begins at {}, and {} is asked for",
                                                    partition, topic_, bounds.first, next_[partition]));
    }
    case Received::Kind::gone: return fail(ErrorKind::unavailable, said.reason());
    default: return {};  // the client goes on by itself, and tells it
  }
}

Result<void> EventReader::add(const Received& message) {
  const auto partition = static_cast<std::size_t>(message.partition());
  const bool continues = !gathered_.empty() && message.partition() == partition_ && message.offset() == next_[partition] &&
                         gathered_.bytes() < kChunkBytes;
  if (!continues && !gathered_.empty()) close_record();
  if (!message.value()) {  // a tombstone is no event
    if (!gathered_.empty()) close_record();
    next_[partition] = message.offset() + 1;
    return {};
  }
  const auto facts = decoder_.facts_of(message);
  if (!facts) {
    auto why = facts.error().context(
        fmt::format("partition {} of topic '{}' at {} is no event", partition, topic_, message.offset()));
    if (facts.error().kind == ErrorKind::conflict) return fail(std::move(why));  // a newer program knows what it is
    if (!gathered_.empty()) close_record();
    reach_.foreign().note(partition, message.offset(), why.message);
    next_[partition] = message.offset() + 1;
    return {};
  }
  if (gathered_.empty()) {
    partition_ = message.partition();
    base_ = message.offset();
    written_at_ = message.timestamp();
  }
  written_at_ = std::max(written_at_, message.timestamp());
  gathered_.add(*facts, message.value().value_or(std::string_view()));
  next_[partition] = message.offset() + 1;
  return {};
}

void EventReader::close_record() {
  auto record = std::make_shared<StoredRecord>();
  record->appended_at = written_at_;
  record->next = told_ = next_;
  if (!gathered_.empty()) record->chunks.push_back(gathered_.finish(partition_, base_, memory_));
  ready_.push_back(std::move(record));
}

}  // namespace penstock::logs::kafka
