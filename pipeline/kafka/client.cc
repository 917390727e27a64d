#include "pipeline/kafka/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

// Between two looks at whether somebody wants to stop, or the client knows already why nobody answers.
constexpr Duration kLook{1000};
constexpr int kSyslogError = 3;
constexpr int kSyslogWarning = 4;
constexpr int kSyslogInfo = 6;

// After it was let go: who is held back again and again is held back all the time, and is told so once.
constexpr std::chrono::seconds kHeldBackStill{5};

// The client says of each partition, each time that it looks, that its topic is not there, and of each connection that it broke.
constexpr std::chrono::seconds kSameLineAfter{60};
constexpr std::size_t kLinesKept = 1000;

// Errors of connections come again until they are mended, and others tell what follows from them: they are warnings.
LogLevel level_of(int syslog) {
  if (syslog < kSyslogError) return LogLevel::error;
  if (syslog <= kSyslogWarning) return LogLevel::warning;
  return syslog <= kSyslogInfo ? LogLevel::info : LogLevel::debug;
}

// What librdkafka puts before a reason of ours.
std::string_view without_preamble(std::string_view said) {
  const auto ours = said.find(kNoToken);
  return ours == std::string_view::npos ? said : said.substr(ours);
}

// Without how long a connection had been in which state, and how often: else the same trouble is another text each time.
std::string_view without_counts(std::string_view said) {
  while (said.ends_with('\n')) said.remove_suffix(1);
  const auto counts = said.rfind(" (after ");
  return said.ends_with(')') && counts != std::string_view::npos ? said.substr(0, counts) : said;
}

}  // namespace

Client::Client(telemetry::Labels::value_type owner, telemetry::Metrics* metrics)
    : name_(owner.second), metrics_(metrics, std::move(owner)) {}

Client::~Client() {
  if (tokens_) tokens_->leave(token_place_);
  if (client_ == nullptr) return;
  rd_kafka_set_log_level(client_, kSyslogWarning);  // that it ends is no news
  rd_kafka_queue_forward(events_.get(), nullptr);
  events_.reset();
  for (const auto& [name, topic] : topics_) rd_kafka_topic_destroy(topic);
  // Whoever was in a group has left it. To close a consumer may take as long as a broker that does not answer.
  rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

Result<void> Client::start(Role role, const Settings& settings, std::move_only_function<void(Event)> on_reports) {
  on_reports_ = std::move(on_reports);
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char why[512] = "";
  for (const auto& [name, value] : settings) {
    if (is_of_tokens(name)) continue;
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK) continue;
    rd_kafka_conf_destroy(conf);
    return fail(ErrorKind::invalid, fmt::format("librdkafka refuses '{}'", name));
  }
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t* of, int level, const char* facility, const char* text) {
    if (of == nullptr) log_at(level_of(level), "kafka", "client: {} {}", facility, text);
    else static_cast<Client*>(rd_kafka_opaque(of))->on_log(level, facility, text);
  });
  rd_kafka_conf_set_throttle_cb(conf, [](rd_kafka_t*, const char* broker, std::int32_t, int milliseconds, void* self) {
    static_cast<Client*>(self)->on_throttle(broker, milliseconds);
  });
  rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                     (role == Role::producer ? RD_KAFKA_EVENT_DR : RD_KAFKA_EVENT_NONE));
  if (on_rebalance_) {
    rd_kafka_conf_set_rebalance_cb(
        conf, [](rd_kafka_t*, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions, void* self) {
          static_cast<Client*>(self)->on_rebalance_(what, partitions);
        });
  }
  rd_kafka_conf_set_background_event_cb(
      conf, [](rd_kafka_t*, rd_kafka_event_t* raw, void* self) { static_cast<Client*>(self)->on_event(Event(raw)); });
  if (auto prepared = prepare_tokens(settings, conf); !prepared) {
    rd_kafka_conf_destroy(conf);
    return prepared;
  }
  client_ = rd_kafka_new(role == Role::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, why, sizeof why);
  if (client_ == nullptr) {
    rd_kafka_conf_destroy(conf);
    return fail(ErrorKind::invalid, why);
  }
  events_.reset(rd_kafka_queue_get_main(client_));
  const Queue background(rd_kafka_queue_get_background(client_));
  rd_kafka_queue_forward(events_.get(), background.get());
  // Not before: who is asked for a token has to know whom to give it to.
  if (const Queue questions(rd_kafka_queue_get_sasl(client_)); questions)
    rd_kafka_queue_forward(questions.get(), background.get());
  return {};
}

Result<void> Client::prepare_tokens(const Settings& settings, rd_kafka_conf_t* conf) {
  if (sasl_mechanism(settings) != "OAUTHBEARER") return {};
  rd_kafka_conf_enable_sasl_queue(conf, 1);
  const auto from = tokens_for(settings);
  if (!from) return {};
  TRY_ASSIGN(tokens_, shared_fetcher(*from));
  token_principal_ = from->client_id;
  token_extensions_ = token_extensions(settings);
  token_place_ = tokens_->join([this](const Result<Token>& token) { take_token(token); });
  rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, [](rd_kafka_t*, const char*, void* raw) {
    const auto* const self = static_cast<const Client*>(raw);
    self->tokens_->want(self->token_place_);
  });
  return {};
}

// On the fetcher's thread. The client asks for the next one itself, when four fifths of the life of this one are over.
void Client::take_token(const Result<Token>& token) {
  char why[512] = "";
  std::vector<const char*> extensions;
  for (const auto& each : token_extensions_) extensions.push_back(each.c_str());
  if (!token) {
    rd_kafka_oauthbearer_set_token_failure(client_, token.error().message.c_str());
  } else if (rd_kafka_oauthbearer_set_token(client_, token->value.c_str(), token->expires.ms, token_principal_.c_str(),
                                            extensions.data(), extensions.size(), why,
                                            sizeof why) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_oauthbearer_set_token_failure(client_, fmt::format("{}{}", kNoToken, why).c_str());
  }
}

rd_kafka_topic_t* Client::topic(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto known = topics_.find(name); known != topics_.end()) return known->second;
  std::string text(name);
  rd_kafka_topic_t* made = rd_kafka_topic_new(client_, text.c_str(), nullptr);
  if (made != nullptr) topics_.emplace(std::move(text), made);
  return made;
}

Result<Metadata> Client::metadata(const std::string& name, Duration patience, const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const bool all = name == kAllTopics;
  rd_kafka_topic_t* const one = name.empty() || all ? nullptr : topic(name);
  for (;;) {
    const rd_kafka_metadata_t* raw = nullptr;
    const auto look = static_cast<int>(std::min(patience, kLook).count());
    const auto error = rd_kafka_metadata(client_, all ? 1 : 0, one, &raw, look);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      answered();
      return Metadata(raw);
    }
    if (stop.stop_requested()) return fail(ErrorKind::stopped, "stopped while connecting");
    const std::lock_guard lock(mutex_);
    if (trouble_code_ == 0 && std::chrono::steady_clock::now() < deadline) continue;
    const int code = trouble_code_ != 0 ? trouble_code_ : static_cast<int>(error);
    return fail(ErrorKind::unavailable, sentence_of(code, {.topic = name, .trouble = trouble_now()}));
  }
}

Result<std::string> Client::cluster(Duration patience, const std::stop_token& stop) {
  TRY(metadata({}, patience, stop));
  char* id = rd_kafka_clusterid(client_, static_cast<int>(patience.count()));
  std::string text(id == nullptr ? "" : id);
  if (id != nullptr) rd_kafka_mem_free(client_, id);
  return text;
}

std::string Client::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_now();
}

// With the mutex.
std::string Client::trouble_now() const {
  if (std::chrono::steady_clock::now() >= held_until_) return trouble_;
  return trouble_.empty() ? held_back_ : fmt::format("{}; {}", trouble_, held_back_);
}

void Client::answered() {
  const std::lock_guard lock(mutex_);
  trouble_code_ = 0;
  trouble_.clear();
}

void Client::on_event(Event event) {
  switch (rd_kafka_event_type(event.get())) {
    case RD_KAFKA_EVENT_DR: return on_reports_(std::move(event));
    case RD_KAFKA_EVENT_ERROR: return on_error(event);
    case RD_KAFKA_EVENT_STATS: return metrics_.take(rd_kafka_event_stats(event.get()));
    default: return;
  }
}

void Client::on_log(int level, std::string_view facility, std::string_view text) {
  {
    const std::lock_guard lock(log_mutex_);
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(logged_, [&](const auto& each) { return now - each.second >= kSameLineAfter; });
    const auto same = without_counts(text);
    if (logged_.contains(same)) return;
    if (logged_.size() < kLinesKept) logged_.emplace(same, now);
  }
  log_at(level_of(level), "kafka", "{}: {} {}", name_, facility, text);
}

// Said with every answer while it lasts; zero is said when it is over.
void Client::on_throttle(std::string_view broker, int milliseconds) {
  if (milliseconds <= 0) return;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  held_back_ = fmt::format("{} holds this client back, which is over its quota", broker);
  if (now >= held_until_) log_warning("kafka", "{}: {}", name_, held_back_);
  held_until_ = std::max(held_until_, now + std::chrono::milliseconds(milliseconds) + kHeldBackStill);
}

// That all brokers are down follows from what was said of each of them.
void Client::on_error(const Event& event) {
  const auto code = rd_kafka_event_error(event.get());
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  const std::lock_guard lock(mutex_);
  trouble_code_ = code;
  trouble_ = without_counts(without_preamble(rd_kafka_event_error_string(event.get())));
}

}  // namespace penstock::kafka
