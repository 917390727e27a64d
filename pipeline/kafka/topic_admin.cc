#include "pipeline/kafka/topic_admin.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <span>
#include <utility>

#include "pipeline/kafka/client.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

struct AdminDeleter {
  void operator()(rd_kafka_ConfigResource_t* made) const { rd_kafka_ConfigResource_destroy(made); }
  void operator()(rd_kafka_AdminOptions_t* made) const { rd_kafka_AdminOptions_destroy(made); }
  void operator()(rd_kafka_NewTopic_t* made) const { rd_kafka_NewTopic_destroy(made); }
  void operator()(rd_kafka_DeleteRecords_t* made) const { rd_kafka_DeleteRecords_destroy(made); }
};
template <class Made>
using Admins = std::unique_ptr<Made, AdminDeleter>;

std::unexpected<Error> refused(const std::string& topic, rd_kafka_resp_err_t code, const char* said) {
  const bool invalid = code == RD_KAFKA_RESP_ERR_INVALID_CONFIG || code == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS ||
                       code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR || code == RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
  return fail(invalid ? ErrorKind::invalid : ErrorKind::unavailable,
              fmt::format("topic '{}': {}", topic, said == nullptr ? rd_kafka_err2str(code) : said));
}

}  // namespace

struct TopicAdmin::Impl {
  Impl(const telemetry::Labels::value_type& owner, telemetry::Metrics* metrics, std::stop_token to_stop)
      : client(owner, metrics), stop(std::move(to_stop)) {}

  // What was asked answers into `answers`; the event of it, or why there is none.
  Result<Event> answer(const Queue& answers, const std::string& topic, Duration patience) const {
    Event event(rd_kafka_queue_poll(answers.get(), static_cast<int>(patience.count()) + 1000));
    if (!event)
      return fail(ErrorKind::unavailable,
                  sentence_of(RD_KAFKA_RESP_ERR__TIMED_OUT, {.topic = topic, .trouble = client.trouble()}));
    const auto code = rd_kafka_event_error(event.get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return fail(ErrorKind::unavailable, sentence_of(code, {.topic = topic, .reads = true, .trouble = client.trouble()}));
    return event;
  }
  Admins<rd_kafka_AdminOptions_t> options(rd_kafka_admin_op_t what, Duration patience) const {
    Admins<rd_kafka_AdminOptions_t> made(rd_kafka_AdminOptions_new(client.get(), what));
    std::array<char, 256> why{};
    rd_kafka_AdminOptions_set_request_timeout(made.get(), static_cast<int>(patience.count()), why.data(), why.size());
    return made;
  }
  Result<TopicSettings> settings_of(const std::string& topic, Duration patience) const;

  Client client;
  const std::stop_token stop;
};

TopicAdmin::TopicAdmin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TopicAdmin::~TopicAdmin() = default;

Result<std::unique_ptr<TopicAdmin>> TopicAdmin::start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                      telemetry::Metrics* metrics, std::stop_token stop) {
  auto impl = std::make_unique<Impl>(owner, metrics, std::move(stop));
  TRY(impl->client.start(Role::producer, settings, [](const Event&) {}));
  return std::unique_ptr<TopicAdmin>(new TopicAdmin(std::move(impl)));
}

Result<std::string> TopicAdmin::cluster(Duration patience) { return impl_->client.cluster(patience, impl_->stop); }

Result<std::optional<TopicInfo>> TopicAdmin::describe(const std::string& topic, Duration patience) {
  TRY_ASSIGN(const auto metadata, impl_->client.metadata(topic, patience, impl_->stop));
  TopicInfo info;
  for (const auto& each : std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt))) {
    if (each.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return std::nullopt;
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return fail(ErrorKind::unavailable, sentence_of(each.err, {.topic = topic, .reads = true}));
    info.partitions = each.partition_cnt;
    if (each.partition_cnt > 0) info.replication = each.partitions[0].replica_cnt;
  }
  if (info.partitions == 0) return std::nullopt;
  // Whoever may read and write a topic need not be allowed to see how it is set up.
  info.settings = impl_->settings_of(topic, patience).value_or(TopicSettings{});
  return info;
}

Result<TopicSettings> TopicAdmin::Impl::settings_of(const std::string& topic, Duration patience) const {
  const Admins<rd_kafka_ConfigResource_t> resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const auto how = options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, patience);
  const Queue answers(rd_kafka_queue_new(client.get()));
  rd_kafka_ConfigResource_t* asked[] = {resource.get()};
  rd_kafka_DescribeConfigs(client.get(), asked, 1, how.get(), answers.get());
  TRY_ASSIGN(const Event event, answer(answers, topic, patience));
  std::size_t count = 0;
  const auto* const* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  TopicSettings found;
  for (const auto* each : std::span(resources, count)) {
    if (rd_kafka_ConfigResource_error(each) != RD_KAFKA_RESP_ERR_NO_ERROR)
      return refused(topic, rd_kafka_ConfigResource_error(each), rd_kafka_ConfigResource_error_string(each));
    std::size_t entries = 0;
    const auto* const* all = rd_kafka_ConfigResource_configs(each, &entries);
    for (const auto* entry : std::span(all, entries)) {
      if (const char* value = rd_kafka_ConfigEntry_value(entry); value != nullptr)
        found.emplace(rd_kafka_ConfigEntry_name(entry), value);
    }
  }
  return found;
}

Result<void> TopicAdmin::create(const NewTopic& topic, Duration patience) {
  std::array<char, 512> why{};
  const Admins<rd_kafka_NewTopic_t> made(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, why.data(), why.size()));
  if (!made) return fail(ErrorKind::invalid, fmt::format("topic '{}': {}", topic.name, why.data()));
  for (const auto& [name, value] : topic.settings) rd_kafka_NewTopic_set_config(made.get(), name.c_str(), value.c_str());
  const auto how = impl_->options(RD_KAFKA_ADMIN_OP_CREATETOPICS, patience);
  const Queue answers(rd_kafka_queue_new(impl_->client.get()));
  rd_kafka_NewTopic_t* asked[] = {made.get()};
  rd_kafka_CreateTopics(impl_->client.get(), asked, 1, how.get(), answers.get());
  TRY_ASSIGN(const Event event, impl_->answer(answers, topic.name, patience));
  std::size_t count = 0;
  const auto* const* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (const auto* each : std::span(results, count)) {
    const auto code = rd_kafka_topic_result_error(each);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
      return refused(topic.name, code, rd_kafka_topic_result_error_string(each));
  }
  return {};
}

Result<void> TopicAdmin::remove_before(const TopicPartition& at, std::uint64_t offset, Duration patience) {
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), at.topic.c_str(), at.partition)->offset = static_cast<std::int64_t>(offset);
  const Admins<rd_kafka_DeleteRecords_t> wanted(rd_kafka_DeleteRecords_new(list.get()));
  const auto how = impl_->options(RD_KAFKA_ADMIN_OP_DELETERECORDS, patience);
  const Queue answers(rd_kafka_queue_new(impl_->client.get()));
  rd_kafka_DeleteRecords_t* asked[] = {wanted.get()};
  rd_kafka_DeleteRecords(impl_->client.get(), asked, 1, how.get(), answers.get());
  TRY_ASSIGN(const Event event, impl_->answer(answers, at.topic, patience));
  const auto* offsets = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  for (const auto& each : std::span(offsets->elems, static_cast<std::size_t>(offsets->cnt))) {
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) return refused(at.topic, each.err, nullptr);
  }
  return {};
}

}  // namespace penstock::kafka
