// links: PkgConfig::rdkafka
// What librdkafka alone costs, for the benchmark of Kafka to stand beside:
//
//   kafka_floor consume BROKERS TOPIC COUNT   takes COUNT messages from the beginning of all partitions, and drops them
//   kafka_floor produce BROKERS TOPIC FILE    writes FILE's lines, keyed by their user_id, with acks=all, and waits for the reports
//
// Prints "COUNT CPU-SECONDS WALL-SECONDS", from the first message to the last: user and system time of all its threads.

#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Settings = std::vector<std::pair<const char*, std::string>>;

constexpr int kPatienceMs = 30'000;
constexpr std::size_t kTakenAtOnce = 500;
// Reports are taken when so many messages wait: delivery's window is about as large.
constexpr std::size_t kWaitingMax = 2'000;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "kafka_floor: %s\n", why.c_str());
  std::exit(1);
}

struct Deleter {
  void operator()(rd_kafka_t* made) const { rd_kafka_destroy(made); }
  void operator()(rd_kafka_topic_t* made) const { rd_kafka_topic_destroy(made); }
  void operator()(rd_kafka_queue_t* made) const { rd_kafka_queue_destroy(made); }
  void operator()(rd_kafka_event_t* made) const { rd_kafka_event_destroy(made); }
};
using Client = std::unique_ptr<rd_kafka_t, Deleter>;
using Topic = std::unique_ptr<rd_kafka_topic_t, Deleter>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Deleter>;
using Event = std::unique_ptr<rd_kafka_event_t, Deleter>;

Client make_client(rd_kafka_type_t type, const Settings& settings) {
  char why[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) give_up(why);
  }
  if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
  Client client(rd_kafka_new(type, conf, why, sizeof why));
  if (!client) give_up(why);
  return client;
}

class Stopwatch {
 public:
  void print(std::size_t count) const {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started_;
    std::printf("%zu %.6f %.6f\n", count, cpu() - cpu_, wall.count());
  }

 private:
  static double cpu() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }

  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double cpu_ = cpu();
};

int partitions_of(rd_kafka_t* client, rd_kafka_topic_t* topic) {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client, 0, topic, &metadata, kPatienceMs) != RD_KAFKA_RESP_ERR_NO_ERROR) give_up("no metadata");
  const int count = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  return count;
}

void consume(const std::string& brokers, const char* name, std::size_t wanted) {
  const Client client =
      make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers}, {"check.crcs", "true"}, {"log_level", "3"}});
  const Topic topic(rd_kafka_topic_new(client.get(), name, nullptr));
  const Queue queue(rd_kafka_queue_new(client.get()));
  const int partitions = partitions_of(client.get(), topic.get());
  const Stopwatch watch;
  for (int i = 0; i < partitions; ++i) {
    if (rd_kafka_consume_start_queue(topic.get(), i, RD_KAFKA_OFFSET_BEGINNING, queue.get()) != 0) give_up("cannot begin");
  }
  std::size_t count = 0;
  std::array<rd_kafka_message_t*, kTakenAtOnce> taken{};
  while (count < wanted) {
    const auto got = rd_kafka_consume_batch_queue(queue.get(), kPatienceMs, taken.data(), taken.size());
    if (got <= 0) give_up("no message came");
    for (auto* message : std::span(taken).first(static_cast<std::size_t>(got))) {
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) ++count;
      rd_kafka_message_destroy(message);
    }
  }
  watch.print(count);
  for (int i = 0; i < partitions; ++i) rd_kafka_consume_stop(topic.get(), i);
}

std::string_view key_of(std::string_view line) {
  constexpr std::string_view kBefore = R"("user_id":")";
  const auto at = line.find(kBefore);
  if (at == std::string_view::npos) give_up("a line has no user_id");
  const auto key = line.substr(at + kBefore.size());
  return key.substr(0, key.find('"'));
}

// Takes reports until no more than `most` messages wait; how many were written.
std::size_t take_reports(rd_kafka_queue_t* reports, std::size_t& waiting, std::size_t most) {
  std::size_t written = 0;
  while (waiting > most) {
    const Event event(rd_kafka_queue_poll(reports, kPatienceMs));
    if (!event) give_up("no report came");
    while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event.get())) {
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(message->err));
      --waiting;
      ++written;
    }
  }
  return written;
}

void produce(const std::string& brokers, const char* name, const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) give_up(std::string("cannot read ") + path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Client client = make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                                        {"enable.idempotence", "true"},
                                                        {"partitioner", "murmur2_random"},
                                                        {"queue.buffering.max.messages", "10000000"},
                                                        {"log_level", "3"}});
  const Topic topic(rd_kafka_topic_new(client.get(), name, nullptr));
  const Queue reports(rd_kafka_queue_get_main(client.get()));
  partitions_of(client.get(), topic.get());
  const Stopwatch watch;
  std::size_t written = 0;
  std::size_t waiting = 0;
  for (std::string_view rest(text); !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto key = key_of(line);
    const auto error = rd_kafka_producev(client.get(), RD_KAFKA_V_RKT(topic.get()), RD_KAFKA_V_KEY(key.data(), key.size()),
                                         RD_KAFKA_V_VALUE(const_cast<char*>(line.data()), line.size()), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(error));
    if (++waiting >= kWaitingMax) written += take_reports(reports.get(), waiting, kWaitingMax / 2);
  }
  written += take_reports(reports.get(), waiting, 0);
  watch.print(written);
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() != 4) give_up("consume BROKERS TOPIC COUNT, or produce BROKERS TOPIC FILE");
  if (arguments[0] == "consume") {
    consume(arguments[1], arguments[2].c_str(), std::stoul(arguments[3]));
  } else {
    produce(arguments[1], arguments[2].c_str(), arguments[3].c_str());
  }
}
