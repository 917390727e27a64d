#include "connectors/logs/kafka/state_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Consumer;
using penstock::kafka::Received;
using penstock::kafka::TopicPartition;

constexpr Duration kPatience{10'000};
constexpr Duration kSlice{50};
constexpr std::size_t kTakenAtOnce = 500;
constexpr std::uint64_t kFirstStep = 64;  // offsets, of a search from the end
constexpr std::uint64_t kOffsetsOfRecord = 4;  // a position or two, the commit, and the end of the transaction
constexpr std::uint64_t kReadOver = 10'000;  // offsets: to read them is no slower than to look for a better place

// Calls `each` with what there is from an offset on, until it says that it has seen enough, or the end is reached.
template <class Each>
Result<void> scan(Consumer& consumer, const TopicPartition& at, std::uint64_t from, std::uint64_t end, Each each) {
  if (from >= end) return {};
  TRY(consumer.begin_shared(at, from));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  Result<void> done;
  for (bool enough = false; !enough;) {
    std::vector<Received> received;
    consumer.take_shared(kTakenAtOnce, kSlice, received);
    for (const Received& message : received) {
      if (enough) break;
      if (message.kind() == Received::Kind::end) {
        enough = message.offset() >= end;
      } else if (message.kind() == Received::Kind::message) {
        auto said = each(message);
        if (!said) done = fail(std::move(said).error());
        enough = !said || *said;
      } else if (message.kind() != Received::Kind::trouble) {
        done = fail(ErrorKind::unavailable, message.reason());
        enough = true;
      }
    }
    if (!enough && std::chrono::steady_clock::now() > deadline) {
      done = fail(ErrorKind::unavailable, fmt::format("topic '{}': the brokers do not send what is there", at.topic));
      enough = true;
    }
  }
  consumer.stop(at);
  return done;
}

// How many records are before the first message from `offset` on; none: there is no such message.
Result<std::optional<std::uint64_t>> record_at(Consumer& consumer, const TopicPartition& at, std::uint64_t offset,
                                               std::uint64_t end) {
  std::optional<std::uint64_t> found;
  TRY(scan(consumer, at, offset, end, [&](const Received& message) -> Result<bool> {
    TRY_ASSIGN(found, next_sequence_of(message.value().value_or(std::string_view())));
    return true;
  }));
  return found;
}

// Where to begin to read for a record: there or somewhat before. Each look costs a round trip or two, so the first is where the record
// should be, by how many offsets those after it take; only what is far off is halved. `next` is the record after the newest.
Result<std::uint64_t> offset_of(Consumer& consumer, const TopicPartition& at, std::uint64_t sequence, std::uint64_t next) {
  TRY_ASSIGN(const auto bounds, consumer.bounds(at, kPatience));
  const auto [first, end] = bounds;
  if (sequence == 0) return first;
  std::uint64_t low = first;  // nothing before it is wanted
  std::uint64_t high = end;  // all from here on is
  for (std::uint64_t back = (next - sequence) * kOffsetsOfRecord + kFirstStep; back < end - first;) {
    TRY_ASSIGN(const auto record, record_at(consumer, at, end - back, end));
    if (record && *record <= sequence) {
      low = end - back;
      break;
    }
    high = end - back;
    const std::uint64_t records = record && *record <= next ? next - *record + 1 : 1;
    back = std::max(2 * back, (back / records + 1) * (next - sequence) + kFirstStep);
  }
  while (high - low > kReadOver) {
    const std::uint64_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const auto record, record_at(consumer, at, middle, end));
    (record && *record <= sequence ? low : high) = middle;
  }
  return low;
}

}  // namespace

Result<Commit> newest_commit(Consumer& consumer, const TopicPartition& at) {
  TRY_ASSIGN(const auto bounds, consumer.bounds(at, kPatience));
  const auto [first, end] = bounds;
  for (std::uint64_t back = kFirstStep;; back *= 4) {
    const std::uint64_t from = end - first > back ? end - back : first;
    std::optional<Commit> newest;
    TRY(scan(consumer, at, from, end, [&](const Received& message) -> Result<bool> {
      TRY_ASSIGN(const auto commit,
                 read_commit(message.key().value_or(std::string_view()), message.value().value_or(std::string_view())));
      if (commit) newest = commit;
      return false;
    }));
    if (newest || from == first) return newest.value_or(Commit{});
  }
}

Result<std::unique_ptr<LogReader>> StateReader::open(const Config& config, Reach& reach, int shard, std::uint64_t sequence) {
  // Each look of the search waits for the fetch of the look before it, which is at the end by then and would wait for more.
  auto settings = reader_settings(config);
  settings.emplace_back("fetch.wait.max.ms", "1");
  TRY_ASSIGN(auto consumer, Consumer::start(settings, {"log", "state-reader"}, nullptr));
  const TopicPartition at{config.state_topic(), shard};
  TRY_ASSIGN(const std::uint64_t offset, offset_of(*consumer, at, sequence, reach.next_sequence()));
  TRY(consumer->begin_shared(at, offset));
  return std::unique_ptr<LogReader>(new StateReader(at.topic, std::move(consumer), reach, sequence));
}

Result<std::shared_ptr<const StoredRecord>> StateReader::next() {
  const std::uint64_t end = reach_.next_sequence();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (ready_.empty()) {
    if (next_sequence_ >= end) return nullptr;
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::unavailable, fmt::format("topic '{}': the brokers do not send what is there", topic_));
    received_.clear();
    consumer_->take_shared(kTakenAtOnce, kSlice, received_);
    std::vector<RecordAssembler::Record> records;
    for (const Received& each : received_) {
      if (each.kind() == Received::Kind::lost || each.kind() == Received::Kind::gone)
        return fail(ErrorKind::unavailable, each.reason());
      if (each.kind() != Received::Kind::message) continue;
      auto taken = assembler_.take(each.key().value_or(std::string_view()), each.value().value_or(std::string_view()),
                                   each.timestamp(), records);
      if (!taken) return fail(std::move(taken).error().context(fmt::format("topic '{}' at {}", topic_, each.offset())));
    }
    std::ranges::move(records, std::back_inserter(ready_));
  }
  auto record = std::move(ready_.front());
  ready_.pop_front();
  next_sequence_ = record->sequence + 1;
  return record;
}

}  // namespace penstock::logs::kafka
