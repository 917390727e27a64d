#include "connectors/logs/kafka/captured_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "connectors/logs/kafka/captured_record.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Consumer;
using penstock::kafka::Received;

constexpr Duration kPatience{10'000};
constexpr Duration kSlice{50};
constexpr std::size_t kTakenAtOnce = 100;

}  // namespace

Result<std::unique_ptr<LogReader>> CapturedReader::open(const Config& config, Reach& reach, MemoryBudget* memory,
                                                        std::uint64_t sequence, PartitionShare share, Offsets start) {
  const std::string topic = config.captured_topic();
  TRY_ASSIGN(auto consumer, Consumer::start(reader_settings(config), {"log", "captured-reader"}, nullptr));
  TRY_ASSIGN(const auto bounds, consumer->bounds({topic, 0}, kPatience));
  if (sequence < bounds.first)
    return fail(ErrorKind::not_found,
                fmt::format("topic '{}' begins at {}, and {} is asked for", topic, bounds.first, sequence));
  TRY(consumer->begin_shared({topic, 0}, sequence));
  return std::unique_ptr<LogReader>(
      new CapturedReader(topic, std::move(consumer), reach, memory, sequence, share, config.shards > 1, std::move(start)));
}

bool CapturedReader::is_wanted(const StoredRecord& record) const {
  for (std::size_t p = 0; p < record.next.size(); ++p)
    if (record.next[p] > (p < start_.size() ? start_[p] : 0)) return true;
  return start_.empty();
}

Result<std::shared_ptr<const StoredRecord>> CapturedReader::next() {
  const std::uint64_t end = reach_.next_sequence();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  if (others_write_ && next_sequence_ >= end && received_.empty()) TRY(take(Duration(0)));
  while (next_sequence_ < end || !received_.empty()) {
    if (received_.empty()) TRY(take(kSlice));
    if (received_.empty()) {
      if (std::chrono::steady_clock::now() > deadline)
        return fail(ErrorKind::unavailable, fmt::format("topic '{}': the brokers do not send what is there", topic_));
      continue;
    }
    const Received message = std::move(received_.front());
    received_.pop_front();
    auto record = decode_captured(message.value().value_or(std::string_view()), message.offset(), share_, memory_);
    if (!record) return fail(std::move(record).error().context(fmt::format("topic '{}' at {}", topic_, message.offset())));
    next_sequence_ = message.offset() + 1;
    if (others_write_) TRY(heed_others((*record)->next));
    if (is_wanted(**record)) return *std::move(record);
  }
  return nullptr;
}

// Of the processes that share the log one may have been started before partitions were added, and another after that.
Result<void> CapturedReader::heed_others(Offsets next) {
  const std::size_t partitions = reach_.end().size();
  if (next.size() > partitions)
    return fail(ErrorKind::conflict, fmt::format("another process knows {} partitions of events, and this one {}: start all "
                                                 "of them again",
                                                 next.size(), partitions));
  next.resize(partitions, 0);
  reach_.grow(next, next_sequence_);
  return {};
}

Result<void> CapturedReader::take(Duration patience) {
  std::vector<Received> taken;
  consumer_->take_shared(kTakenAtOnce, patience, taken);
  for (Received& each : taken) {
    switch (each.kind()) {
      case Received::Kind::message: received_.push_back(std::move(each)); break;
      case Received::Kind::lost:
        return fail(ErrorKind::not_found, fmt::format("topic '{}' no longer has {}", topic_, next_sequence_));
      case Received::Kind::gone: return fail(ErrorKind::unavailable, each.reason());
      // Offsets at the end that no message has.
      case Received::Kind::end:
        if (received_.empty()) next_sequence_ = std::max(next_sequence_, each.offset());
        break;
      default: break;  // the client goes on by itself, and tells it
    }
  }
  return {};
}

}  // namespace penstock::logs::kafka
