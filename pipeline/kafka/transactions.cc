#include "pipeline/kafka/transactions.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>

#include "pipeline/kafka/client.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

struct ErrorDeleter {
  void operator()(rd_kafka_error_t* made) const { rd_kafka_error_destroy(made); }
};
using ClientError = std::unique_ptr<rd_kafka_error_t, ErrorDeleter>;

// What the client holds is bounded by whoever sends; this is only met when the brokers take nothing.
constexpr Duration kRoomWithin{10'000};
// Within which it is noticed that there is room before all was sent, and that nobody waits any more.
constexpr int kLookForRoom = 20;  // ms
constexpr Duration kLook{500};
constexpr int kOffsetsWithin = 10'000;  // ms

bool is_of_the_past(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS: return true;
    default: return false;
  }
}

}  // namespace

struct Transactions::Impl {
  Impl(const telemetry::Labels::value_type& owner, telemetry::Metrics* metrics) : client(owner, metrics) {}

  std::unexpected<Error> failed(std::string_view what, const ClientError& error) const {
    const auto code = rd_kafka_error_code(error.get());
    const auto trouble = client.trouble();
    return fail(ErrorKind::unavailable,
                fmt::format("{}: {}", what,
                            trouble.empty() ? rd_kafka_error_string(error.get()) : sentence_of(code, {.trouble = trouble})));
  }
  rd_kafka_resp_err_t produce(Topic to, int partition, std::optional<std::string_view> key,
                              std::optional<std::string_view> value, const Extras& extras);

  Client client;
};

Transactions::Transactions(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Transactions::~Transactions() { rd_kafka_purge(impl_->client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT); }

Result<std::unique_ptr<Transactions>> Transactions::start(const Settings& settings,
                                                          const telemetry::Labels::value_type& owner,
                                                          telemetry::Metrics* metrics) {
  auto impl = std::make_unique<Impl>(owner, metrics);
  // Of messages that fail; the commit tells as much.
  TRY(impl->client.start(Role::producer, settings, [](const Event&) {}));
  return std::unique_ptr<Transactions>(new Transactions(std::move(impl)));
}

std::string Transactions::trouble() const { return impl_->client.trouble(); }

Result<void> Transactions::take_over(Duration patience, const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::duration_cast<Duration>(deadline - std::chrono::steady_clock::now());
    const ClientError error(
        rd_kafka_init_transactions(impl_->client.get(), static_cast<int>(std::clamp(left, Duration(1), kLook).count())));
    if (!error) break;
    if (stop.stop_requested()) return fail(ErrorKind::stopped, "stopped while the log was taken over");
    char text[512] = "";
    const auto fatal = rd_kafka_fatal_error(impl_->client.get(), text, sizeof text);
    if (fatal == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)  // it would be tried again and again
      return fail(ErrorKind::invalid, fmt::format("taking over the log: {}", sentence_of(fatal, {})));
    if (fatal == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT)
      return fail(ErrorKind::limit, fmt::format("taking over the log: {}", sentence_of(fatal, {})));
    const bool again = rd_kafka_error_is_retriable(error.get()) != 0 && left > Duration(0);
    if (!again) return impl_->failed("taking over the log", error);
  }
  impl_->client.answered();
  return {};
}

Transactions::Topic Transactions::topic(std::string_view name) { return impl_->client.topic(name); }

Result<void> Transactions::begin() {
  const ClientError error(rd_kafka_begin_transaction(impl_->client.get()));
  if (error) return impl_->failed("beginning a transaction", error);
  return {};
}

rd_kafka_resp_err_t Transactions::Impl::produce(Topic to, int partition, std::optional<std::string_view> key,
                                                std::optional<std::string_view> value, const Extras& extras) {
  const char* const key_bytes = key ? key->data() : nullptr;
  const std::size_t key_size = key ? key->size() : 0;
  char* const value_bytes = value ? const_cast<char*>(value->data()) : nullptr;
  const std::size_t value_size = value ? value->size() : 0;
  if (extras.headers.empty() && extras.time.ms == 0) {
    const int done = rd_kafka_produce(to, partition, 0, value_bytes, value_size, key_bytes, key_size, nullptr);
    return done == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error();
  }
  if (extras.headers.empty()) {
    return rd_kafka_producev(client.get(), RD_KAFKA_V_RKT(to), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(0),
                             RD_KAFKA_V_VALUE(value_bytes, value_size), RD_KAFKA_V_KEY(key_bytes, key_size),
                             RD_KAFKA_V_TIMESTAMP(extras.time.ms), RD_KAFKA_V_END);
  }
  rd_kafka_headers_t* headers = rd_kafka_headers_new(extras.headers.size());
  for (const Header& header : extras.headers) {
    const void* const bytes = header.value ? header.value->data() : nullptr;
    rd_kafka_header_add(headers, header.name.data(), static_cast<ssize_t>(header.name.size()), bytes,
                        static_cast<ssize_t>(header.value ? header.value->size() : 0));
  }
  const auto error =
      rd_kafka_producev(client.get(), RD_KAFKA_V_RKT(to), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(0),
                        RD_KAFKA_V_VALUE(value_bytes, value_size), RD_KAFKA_V_KEY(key_bytes, key_size),
                        RD_KAFKA_V_TIMESTAMP(extras.time.ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_headers_destroy(headers);
  return error;
}

Result<void> Transactions::send(Topic to, int partition, std::optional<std::string_view> key,
                                std::optional<std::string_view> value, const Extras& extras) {
  const auto deadline = std::chrono::steady_clock::now() + kRoomWithin;
  for (;;) {
    const auto error = impl_->produce(to, partition, key, value, extras);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && std::chrono::steady_clock::now() < deadline) {
      rd_kafka_flush(impl_->client.get(), kLookForRoom);
      continue;
    }
    const bool too_large = error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    return fail(too_large ? ErrorKind::limit : ErrorKind::unavailable,
                sentence_of(error, {.topic = rd_kafka_topic_name(to),
                                    .bytes = value ? value->size() : 0,
                                    .by_client = true,
                                    .trouble = impl_->client.trouble()}));
  }
}

Result<void> Transactions::send_offsets(const Membership& member, const std::string& topic,
                                        const std::vector<std::pair<int, std::uint64_t>>& offsets) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = static_cast<std::int64_t>(offset);
  }
  for (;;) {
    const ClientError error(
        rd_kafka_send_offsets_to_transaction(impl_->client.get(), list.get(), member.get(), kOffsetsWithin));
    if (!error) return {};
    if (is_of_the_past(rd_kafka_error_code(error.get())))
      return fail(ErrorKind::conflict, fmt::format("the group has changed: {}", rd_kafka_error_string(error.get())));
    if (rd_kafka_error_is_retriable(error.get()) == 0) return impl_->failed("committing offsets of the group", error);
  }
}

Result<void> Transactions::abort() {
  for (;;) {
    const ClientError error(rd_kafka_abort_transaction(impl_->client.get(), -1));
    if (!error) return {};
    if (rd_kafka_error_is_retriable(error.get()) == 0) return impl_->failed("dropping a transaction", error);
  }
}

Result<void> Transactions::commit() {
  for (;;) {
    const ClientError error(rd_kafka_commit_transaction(impl_->client.get(), -1));
    if (!error) break;
    if (rd_kafka_error_is_retriable(error.get()) == 0) return impl_->failed("committing a transaction", error);
  }
  impl_->client.answered();
  return {};
}

}  // namespace penstock::kafka
