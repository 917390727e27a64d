#include "pipeline/kafka/producer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>

#include "pipeline/kafka/client.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

struct ResourceDeleter {
  void operator()(rd_kafka_ConfigResource_t* made) const { rd_kafka_ConfigResource_destroy(made); }
};
struct OptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* made) const { rd_kafka_AdminOptions_destroy(made); }
};

rd_kafka_vu_t value_unit(rd_kafka_vtype_t type) {
  rd_kafka_vu_t unit{};
  unit.vtype = type;
  return unit;
}

rd_kafka_vu_t memory_unit(rd_kafka_vtype_t type, std::string_view bytes) {
  auto unit = value_unit(type);
  unit.u.mem.ptr = const_cast<char*>(bytes.data());  // only read
  unit.u.mem.size = bytes.size();
  return unit;
}

rd_kafka_headers_t* make_headers(std::span<const std::pair<std::string, std::string>> given) {
  if (given.empty()) return nullptr;
  rd_kafka_headers_t* headers = rd_kafka_headers_new(given.size());
  for (const auto& [name, value] : given) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  return headers;
}

std::optional<std::uint64_t> entry_of(const rd_kafka_ConfigResource_t& resource, std::string_view name) {
  std::size_t count = 0;
  const auto* const* entries = rd_kafka_ConfigResource_configs(&resource, &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (rd_kafka_ConfigEntry_name(entries[i]) != name) continue;
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value == nullptr) return std::nullopt;
    const std::string_view text(value);
    std::uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc() ? std::optional(number) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

struct Producer::Impl {
  Impl(const telemetry::Labels::value_type& owner, telemetry::Metrics* metrics, OnReports callback)
      : on_reports(std::move(callback)), client(owner, metrics) {}

  void on_event(Event event);

  OnReports on_reports;         // the client's thread
  std::vector<Report> reports;  // the client's thread; reused
  Client client;                // ends first
};

void Producer::Impl::on_event(Event event) {
  reports.clear();
  while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event.get())) {
    reports.push_back({message->_private, message->err, static_cast<std::uint64_t>(message->offset)});
  }
  event.reset();  // whoever has all reports may end the client, which counts the messages that there still are
  if (std::ranges::any_of(reports, [](const Report& report) { return report.code == 0; })) client.answered();
  on_reports(reports);
}

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::~Producer() = default;

Result<std::unique_ptr<Producer>> Producer::start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                  telemetry::Metrics* metrics, OnReports on_reports) {
  auto impl = std::make_unique<Impl>(owner, metrics, std::move(on_reports));
  TRY(impl->client.start(Role::producer, settings, [raw = impl.get()](Event event) { raw->on_event(std::move(event)); }));
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

Result<void> Producer::check(const std::string& topic, Duration patience, std::stop_token stop) {
  TRY_ASSIGN(const auto metadata, impl_->client.metadata(topic, patience, stop));
  const auto code = topic.empty() || metadata->topic_cnt == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : metadata->topics[0].err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail(ErrorKind::unavailable, sentence_of(code, {.topic = topic}));
}

std::optional<std::uint64_t> Producer::batch_bytes_max(const std::string& topic, Duration patience) {
  const std::unique_ptr<rd_kafka_ConfigResource_t, ResourceDeleter> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const std::unique_ptr<rd_kafka_AdminOptions_t, OptionsDeleter> options(
      rd_kafka_AdminOptions_new(impl_->client.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  const auto timeout = static_cast<int>(patience.count());
  char why[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout, why, sizeof why);
  const Queue answers(rd_kafka_queue_new(impl_->client.get()));
  rd_kafka_ConfigResource_t* asked[] = {resource.get()};
  rd_kafka_DescribeConfigs(impl_->client.get(), asked, 1, options.get(), answers.get());
  const Event event(rd_kafka_queue_poll(answers.get(), timeout));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  std::size_t count = 0;
  const auto* const* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  return count == 1 ? entry_of(*resources[0], "max.message.bytes") : std::nullopt;
}

int Producer::send(const Message& message) {
  rd_kafka_topic_t* const topic = impl_->client.topic(message.topic);
  if (topic == nullptr) return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
  auto to = value_unit(RD_KAFKA_VTYPE_RKT);
  to.u.rkt = topic;
  auto tag = value_unit(RD_KAFKA_VTYPE_OPAQUE);
  tag.u.ptr = message.tag;
  auto timestamp = value_unit(RD_KAFKA_VTYPE_TIMESTAMP);
  timestamp.u.i64 = message.timestamp.ms;
  auto flags = value_unit(RD_KAFKA_VTYPE_MSGFLAGS);
  flags.u.i = 0;  // the value is not copied
  auto headers = value_unit(RD_KAFKA_VTYPE_HEADERS);
  headers.u.headers = make_headers(message.headers);
  const rd_kafka_vu_t units[] = {to,
                                 memory_unit(RD_KAFKA_VTYPE_VALUE, message.value),
                                 memory_unit(RD_KAFKA_VTYPE_KEY, message.key.value_or(std::string_view())),
                                 tag,
                                 timestamp,
                                 flags,
                                 headers};
  const std::size_t count = std::size(units) - (headers.u.headers == nullptr ? 1 : 0);
  rd_kafka_error_t* const error = rd_kafka_produceva(impl_->client.get(), units, count);
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  const auto code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  if (headers.u.headers != nullptr) rd_kafka_headers_destroy(headers.u.headers);
  return code;
}

void Producer::purge() { rd_kafka_purge(impl_->client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT); }

bool Producer::usable() const { return rd_kafka_fatal_error(impl_->client.get(), nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR; }

std::string Producer::trouble() const { return impl_->client.trouble(); }

}  // namespace penstock::kafka
