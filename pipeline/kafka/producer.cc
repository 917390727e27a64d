#include "pipeline/kafka/producer.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <mutex>

#include "pipeline/base/log.h"
#include "pipeline/kafka/client_metrics.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

// Between two looks at whether somebody wants to stop, or the client knows already why nobody answers.
constexpr std::chrono::milliseconds kLook{1000};
constexpr int kSyslogError = 3;
constexpr int kSyslogWarning = 4;
constexpr int kSyslogInfo = 6;

// Errors of connections come again until they are mended, and delivery tells what follows from them: they are warnings.
LogLevel level_of(int syslog) {
  if (syslog < kSyslogError) return LogLevel::error;
  if (syslog <= kSyslogWarning) return LogLevel::warning;
  return syslog <= kSyslogInfo ? LogLevel::info : LogLevel::debug;
}

struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* made) const { rd_kafka_metadata_destroy(made); }
};
struct QueueDeleter {
  void operator()(rd_kafka_queue_t* made) const { rd_kafka_queue_destroy(made); }
};
struct EventDeleter {
  void operator()(rd_kafka_event_t* made) const { rd_kafka_event_destroy(made); }
};
struct ResourceDeleter {
  void operator()(rd_kafka_ConfigResource_t* made) const { rd_kafka_ConfigResource_destroy(made); }
};
struct OptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* made) const { rd_kafka_AdminOptions_destroy(made); }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;
using Event = std::unique_ptr<rd_kafka_event_t, EventDeleter>;

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
  Impl(std::string name, telemetry::Metrics* given, OnReports callback)
      : destination(std::move(name)), on_reports(std::move(callback)), metrics(given, {"destination", destination}) {}

  ~Impl() {
    if (client == nullptr) return;
    rd_kafka_set_log_level(client, kSyslogWarning);  // that it ends is no news
    rd_kafka_queue_forward(events.get(), nullptr);
    events.reset();
    for (const auto& [name, topic] : topics) rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
  }

  Result<void> start(const Settings& settings);
  rd_kafka_topic_t* topic(std::string_view name);
  void on_event(Event event);
  void on_messages(Event event);
  void on_error(const Event& event);
  void answered();

  const std::string destination;
  OnReports on_reports;             // the client's thread
  ClientMetrics metrics;            // the client's thread
  std::vector<Report> reports;      // the client's thread; reused
  rd_kafka_t* client = nullptr;
  Queue events;                     // what the client's thread takes from

  std::mutex mutex;
  std::map<std::string, rd_kafka_topic_t*, std::less<>> topics;  // guarded by mutex
  int trouble_code = 0;                                          // guarded by mutex
  std::string trouble;                                           // guarded by mutex
};

Result<void> Producer::Impl::start(const Settings& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char why[512] = "";
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK) continue;
    rd_kafka_conf_destroy(conf);
    return fail(ErrorKind::invalid, fmt::format("librdkafka refuses '{}'", name));
  }
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t* of, int level, const char* facility, const char* text) {
    const auto* const self = of == nullptr ? nullptr : static_cast<const Impl*>(rd_kafka_opaque(of));
    log_at(level_of(level), "kafka", "{}: {} {}", self == nullptr ? "client" : self->destination, facility, text);
  });
  rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
  rd_kafka_conf_set_background_event_cb(
      conf, [](rd_kafka_t*, rd_kafka_event_t* raw, void* self) { static_cast<Impl*>(self)->on_event(Event(raw)); });
  client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  if (client == nullptr) {
    rd_kafka_conf_destroy(conf);
    return fail(ErrorKind::invalid, why);
  }
  events.reset(rd_kafka_queue_get_main(client));
  const Queue background(rd_kafka_queue_get_background(client));
  rd_kafka_queue_forward(events.get(), background.get());
  return {};
}

rd_kafka_topic_t* Producer::Impl::topic(std::string_view name) {
  const std::lock_guard lock(mutex);
  if (const auto known = topics.find(name); known != topics.end()) return known->second;
  std::string text(name);
  rd_kafka_topic_t* made = rd_kafka_topic_new(client, text.c_str(), nullptr);
  if (made != nullptr) topics.emplace(std::move(text), made);
  return made;
}

void Producer::Impl::on_event(Event event) {
  switch (rd_kafka_event_type(event.get())) {
    case RD_KAFKA_EVENT_DR: return on_messages(std::move(event));
    case RD_KAFKA_EVENT_ERROR: return on_error(event);
    case RD_KAFKA_EVENT_STATS: return metrics.take(rd_kafka_event_stats(event.get()));
    default: return;
  }
}

void Producer::Impl::on_messages(Event event) {
  reports.clear();
  while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event.get())) {
    reports.push_back({message->_private, message->err});
  }
  event.reset();  // whoever has all reports may end the client, which counts the messages that there still are
  if (std::ranges::any_of(reports, [](const Report& report) { return report.code == 0; })) answered();
  on_reports(reports);
}

// That all brokers are down follows from what was said of each of them.
void Producer::Impl::on_error(const Event& event) {
  const auto code = rd_kafka_event_error(event.get());
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  const std::lock_guard lock(mutex);
  trouble_code = code;
  trouble = rd_kafka_event_error_string(event.get());
}

void Producer::Impl::answered() {
  const std::lock_guard lock(mutex);
  trouble_code = 0;
  trouble.clear();
}

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::~Producer() = default;

Result<std::unique_ptr<Producer>> Producer::start(const Settings& settings, const std::string& destination,
                                                  telemetry::Metrics* metrics, OnReports on_reports) {
  auto impl = std::make_unique<Impl>(destination, metrics, std::move(on_reports));
  TRY(impl->start(settings));
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

Result<void> Producer::check(const std::string& topic, Duration patience, std::stop_token stop) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  rd_kafka_topic_t* const one = topic.empty() ? nullptr : impl_->topic(topic);
  for (;;) {
    const rd_kafka_metadata_t* raw = nullptr;
    const auto error = rd_kafka_metadata(impl_->client, 0, one, &raw, static_cast<int>(std::min(patience, kLook).count()));
    const std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter> metadata(raw);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      impl_->answered();
      const auto code = one == nullptr || metadata->topic_cnt == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : metadata->topics[0].err;
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
      return fail(ErrorKind::unavailable, sentence_of(code, {.topic = topic}));
    }
    if (stop.stop_requested()) return fail(ErrorKind::stopped, "stopped while connecting");
    const std::lock_guard lock(impl_->mutex);
    if (impl_->trouble_code != 0 || std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorKind::unavailable, sentence_of(impl_->trouble_code != 0 ? impl_->trouble_code : error,
                                                      {.topic = topic, .trouble = impl_->trouble}));
    }
  }
}

std::optional<std::uint64_t> Producer::batch_bytes_max(const std::string& topic, Duration patience) {
  const std::unique_ptr<rd_kafka_ConfigResource_t, ResourceDeleter> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const std::unique_ptr<rd_kafka_AdminOptions_t, OptionsDeleter> options(
      rd_kafka_AdminOptions_new(impl_->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  const auto timeout = static_cast<int>(patience.count());
  char why[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout, why, sizeof why);
  const Queue answers(rd_kafka_queue_new(impl_->client));
  rd_kafka_ConfigResource_t* asked[] = {resource.get()};
  rd_kafka_DescribeConfigs(impl_->client, asked, 1, options.get(), answers.get());
  const Event event(rd_kafka_queue_poll(answers.get(), timeout));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  std::size_t count = 0;
  const auto* const* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  return count == 1 ? entry_of(*resources[0], "max.message.bytes") : std::nullopt;
}

int Producer::send(const Message& message) {
  rd_kafka_topic_t* const topic = impl_->topic(message.topic);
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
  rd_kafka_error_t* const error = rd_kafka_produceva(impl_->client, units, count);
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  const auto code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  if (headers.u.headers != nullptr) rd_kafka_headers_destroy(headers.u.headers);
  return code;
}

void Producer::purge() { rd_kafka_purge(impl_->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT); }

bool Producer::usable() const { return rd_kafka_fatal_error(impl_->client, nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR; }

std::string Producer::trouble() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->trouble;
}

}  // namespace penstock::kafka
