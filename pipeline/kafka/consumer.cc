#include "pipeline/kafka/consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "pipeline/kafka/client.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

constexpr Duration kLookWithin{1'000};

std::unexpected<Error> fail_with(rd_kafka_resp_err_t code, std::string_view topic, std::string_view trouble) {
  const bool missing = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
  return fail(missing ? ErrorKind::not_found : ErrorKind::unavailable,
              sentence_of(code, {.topic = topic, .reads = true, .trouble = trouble}));
}

}  // namespace

Received::Received(rd_kafka_message_s* message) : message_(message) {}
void Received::Deleter::operator()(rd_kafka_message_s* message) const { rd_kafka_message_destroy(message); }

Received::Kind Received::kind() const {
  switch (message_->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return Kind::message;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: return Kind::end;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return Kind::lost;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return Kind::gone;
    default: return Kind::trouble;
  }
}

int Received::partition() const { return message_->partition; }

std::uint64_t Received::offset() const { return static_cast<std::uint64_t>(message_->offset); }

std::optional<std::string_view> Received::key() const {
  if (message_->key == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(message_->key), message_->key_len);
}

std::optional<std::string_view> Received::value() const {
  if (message_->payload == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(message_->payload), message_->len);
}

Timestamp Received::timestamp() const { return {rd_kafka_message_timestamp(message_.get(), nullptr)}; }

std::vector<std::pair<std::string_view, std::optional<std::string_view>>> Received::headers() const {
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> all;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message_.get(), &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return all;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    auto& header = all.emplace_back(name, std::nullopt);
    if (value != nullptr) header.second = std::string_view(static_cast<const char*>(value), size);
  }
  return all;
}

std::string Received::reason() const {
  const char* topic = message_->rkt == nullptr ? "" : rd_kafka_topic_name(message_->rkt);
  return sentence_of(message_->err, {.topic = topic, .reads = true});
}

struct Consumer::Impl {
  Impl(const telemetry::Labels::value_type& owner, telemetry::Metrics* metrics) : client(owner, metrics) {}
  void look_when_asked(const std::stop_token& stop);
  Result<std::vector<std::int64_t>> offsets_at(const std::string& topic, int first, std::size_t partitions,
                                               std::int64_t time, Duration patience);
  Result<std::vector<Bounds>> bounds(const std::string& topic, int first, std::size_t partitions, Duration patience);

  Client client;
  Queue shared;  // ends before the client; null until it is needed
  std::mutex mutex;
  std::condition_variable_any asked;  // with mutex
  std::optional<TopicPartition> wanted;  // guarded by mutex
  std::jthread looker;  // guarded by mutex until it ends; from the first time that it is asked on
};

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consumer::~Consumer() = default;

Result<std::unique_ptr<Consumer>> Consumer::start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                  telemetry::Metrics* metrics) {
  auto impl = std::make_unique<Impl>(owner, metrics);
  TRY(impl->client.start(Role::consumer, settings));
  return std::unique_ptr<Consumer>(new Consumer(std::move(impl)));
}

Result<std::map<std::string, int>> Consumer::topics(const std::optional<std::string>& only, Duration patience,
                                                    std::stop_token stop) {
  TRY_ASSIGN(const auto metadata, impl_->client.metadata(only.value_or(std::string(Client::kAllTopics)), patience, stop));
  std::map<std::string, int> found;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const auto& topic = metadata->topics[i];
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      found.emplace(topic.topic, topic.partition_cnt);
    } else if (only) {
      return fail_with(topic.err, topic.topic, {});
    }
  }
  return found;
}

std::string Consumer::trouble() const { return impl_->client.trouble(); }

Result<std::string> Consumer::cluster(Duration patience, std::stop_token stop) {
  return impl_->client.cluster(patience, stop);
}

// Offsets by time, where the times -2 and -1 are the beginning and the end: the client asks each broker once. Not by its functions for
// beginning and end, which wait as long as a request may take, and not as long as they are told.
Result<std::vector<std::int64_t>> Consumer::Impl::offsets_at(const std::string& topic, int first, std::size_t partitions,
                                                             std::int64_t time, Duration patience) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions)));
  for (int p = first; p < first + static_cast<int>(partitions); ++p)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p)->offset = time;
  auto code = rd_kafka_offsets_for_times(client.get(), list.get(), static_cast<int>(patience.count()));
  std::vector<std::int64_t> found(partitions);
  for (const auto& each : std::span(list->elems, partitions)) {
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = each.err;
    found[static_cast<std::size_t>(each.partition - first)] = each.offset;
  }
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return fail_with(code, topic, client.trouble());
  client.answered();
  return found;
}

Result<std::vector<Consumer::Bounds>> Consumer::Impl::bounds(const std::string& topic, int first, std::size_t partitions,
                                                             Duration patience) {
  TRY_ASSIGN(const auto begin, offsets_at(topic, first, partitions, RD_KAFKA_OFFSET_BEGINNING, patience));
  TRY_ASSIGN(const auto end, offsets_at(topic, first, partitions, RD_KAFKA_OFFSET_END, patience));
  std::vector<Bounds> bounds;
  for (std::size_t p = 0; p < partitions; ++p) {
    if (begin[p] < 0 || end[p] < 0) {
      return fail(ErrorKind::unavailable, fmt::format("topic '{}': the brokers do not say where partition {} ends", topic,
                                                      static_cast<std::size_t>(first) + p));
    }
    bounds.emplace_back(begin[p], end[p]);
  }
  return bounds;
}

Result<Consumer::Bounds> Consumer::bounds(const TopicPartition& at, Duration patience) {
  TRY_ASSIGN(const auto bounds, impl_->bounds(at.topic, at.partition, 1, patience));
  return bounds.front();
}

Result<std::vector<Consumer::Bounds>> Consumer::bounds_of_all(const std::string& topic, std::size_t partitions,
                                                              Duration patience) {
  return impl_->bounds(topic, 0, partitions, patience);
}

Result<std::vector<std::optional<std::uint64_t>>> Consumer::find_time_in_all(const std::string& topic,
                                                                             std::size_t partitions, Timestamp time,
                                                                             Duration patience) {
  TRY_ASSIGN(const auto offsets, impl_->offsets_at(topic, 0, partitions, std::max<std::int64_t>(time.ms, 0), patience));
  std::vector<std::optional<std::uint64_t>> found;
  for (const std::int64_t offset : offsets)  // below zero: nothing is so young
    found.push_back(offset < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(offset)));
  return found;
}

Result<std::uint64_t> Consumer::find(const TopicPartition& at, const Beginning& beginning, Duration patience) {
  TRY_ASSIGN(const auto bounds, this->bounds(at, patience));
  const auto [first, end] = bounds;
  if (beginning.kind == Beginning::Kind::earliest) return first;
  if (beginning.kind == Beginning::Kind::latest) return end;
  TRY_ASSIGN(const auto found, find_time(at, beginning.time, patience));
  return found.value_or(end);
}

Result<std::vector<std::uint64_t>> Consumer::find_in_all(const std::string& topic, std::size_t partitions,
                                                         const Beginning& beginning, Duration patience) {
  TRY_ASSIGN(const auto bounds, bounds_of_all(topic, partitions, patience));
  std::vector<std::optional<std::uint64_t>> younger(partitions);
  if (beginning.kind == Beginning::Kind::time) {
    TRY_ASSIGN(younger, find_time_in_all(topic, partitions, beginning.time, patience));
  }
  std::vector<std::uint64_t> found;
  for (std::size_t p = 0; p < partitions; ++p) {
    const auto [first, end] = bounds[p];
    found.push_back(beginning.kind == Beginning::Kind::earliest ? first : younger[p].value_or(end));
  }
  return found;
}

Result<std::optional<std::uint64_t>> Consumer::find_time(const TopicPartition& at, Timestamp time, Duration patience) {
  TRY_ASSIGN(const auto offset, impl_->offsets_at(at.topic, at.partition, 1, std::max<std::int64_t>(time.ms, 0), patience));
  return offset[0] < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(offset[0]));  // nothing is so young
}

Result<std::optional<std::uint64_t>> Consumer::committed(const TopicPartition& at, Duration patience) {
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  auto& asked = *rd_kafka_topic_partition_list_add(list.get(), at.topic.c_str(), at.partition);
  auto code = rd_kafka_committed(impl_->client.get(), list.get(), static_cast<int>(patience.count()));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = asked.err;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return fail_with(code, at.topic, impl_->client.trouble());
  return asked.offset < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(asked.offset));
}

Result<void> Consumer::begin(const TopicPartition& at, std::uint64_t offset) {
  rd_kafka_topic_t* const topic = impl_->client.topic(at.topic);
  if (topic != nullptr && rd_kafka_consume_start(topic, at.partition, static_cast<std::int64_t>(offset)) == 0) return {};
  return fail_with(rd_kafka_last_error(), at.topic, {});
}

void Consumer::take(const TopicPartition& at, std::size_t most, std::vector<Received>& out) {
  std::vector<rd_kafka_message_t*> messages(most);
  const auto count = rd_kafka_consume_batch(impl_->client.topic(at.topic), at.partition, 0, messages.data(), most);
  for (ssize_t i = 0; i < count; ++i) out.emplace_back(messages[static_cast<std::size_t>(i)]);
}

void Consumer::stop(const TopicPartition& at) { rd_kafka_consume_stop(impl_->client.topic(at.topic), at.partition); }

Result<void> Consumer::begin_shared(const TopicPartition& at, std::uint64_t offset) {
  rd_kafka_topic_t* const topic = impl_->client.topic(at.topic);
  if (!impl_->shared) impl_->shared.reset(rd_kafka_queue_new(impl_->client.get()));
  if (topic != nullptr &&
      rd_kafka_consume_start_queue(topic, at.partition, static_cast<std::int64_t>(offset), impl_->shared.get()) == 0) {
    return {};
  }
  return fail_with(rd_kafka_last_error(), at.topic, {});
}

void Consumer::take_shared(std::size_t most, Duration patience, std::vector<Received>& out) {
  std::vector<rd_kafka_message_t*> messages(most);
  const auto count =
      rd_kafka_consume_batch_queue(impl_->shared.get(), static_cast<int>(patience.count()), messages.data(), most);
  for (ssize_t i = 0; i < count; ++i) out.emplace_back(messages[static_cast<std::size_t>(i)]);
}

void Consumer::look_again(const TopicPartition& at) {
  const std::lock_guard lock(impl_->mutex);
  impl_->wanted = at;
  if (!impl_->looker.joinable())
    impl_->looker = std::jthread([raw = impl_.get()](const std::stop_token& stop) { raw->look_when_asked(stop); });
  impl_->asked.notify_one();
}

// The thread of a broker looks whenever it is asked something, and where a partition ends is a small question.
void Consumer::Impl::look_when_asked(const std::stop_token& stop) {
  std::unique_lock lock(mutex);
  while (asked.wait(lock, stop, [&] { return wanted.has_value(); })) {
    const TopicPartition at = *std::exchange(wanted, std::nullopt);
    lock.unlock();
    static_cast<void>(offsets_at(at.topic, at.partition, 1, RD_KAFKA_OFFSET_END, kLookWithin));
    lock.lock();
  }
}

std::optional<std::uint64_t> Consumer::behind(const TopicPartition& at, std::uint64_t offset) const {
  std::int64_t first = 0;
  std::int64_t end = 0;
  if (rd_kafka_get_watermark_offsets(impl_->client.get(), at.topic.c_str(), at.partition, &first, &end) !=
          RD_KAFKA_RESP_ERR_NO_ERROR ||
      end < 0) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(end) - std::min(static_cast<std::uint64_t>(end), offset);
}

}  // namespace penstock::kafka
