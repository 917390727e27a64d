#pragma once
// librdkafka's own loopback brokers, which keep messages in memory and fail as a test says, and a reader that is not ours.

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace penstock::fakes {

inline constexpr std::int16_t kProduceRequest = 0;

struct KafkaMessage {
  std::string topic;
  int partition = 0;
  std::string key, value;
  bool has_key = false;
  std::int64_t timestamp = 0;
  std::vector<std::pair<std::string, std::string>> headers;
};

class MockKafka {
 public:
  MockKafka() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "client.id", "mock");
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    REQUIRE(handle_ != nullptr);
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    REQUIRE(cluster_ != nullptr);
  }
  ~MockKafka() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  MockKafka(const MockKafka&) = delete;
  MockKafka& operator=(const MockKafka&) = delete;

  std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  // Its id.
  std::string cluster() const {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", address());
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    REQUIRE(client != nullptr);
    char* const id = rd_kafka_clusterid(client, 10'000);
    REQUIRE(id != nullptr);
    std::string text = id;
    rd_kafka_mem_free(client, id);
    rd_kafka_destroy(client);
    return text;
  }
  void create(const std::string& topic, int partitions) {
    REQUIRE(rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  // The next `count` requests to write are answered with the error.
  void fail_writes(rd_kafka_resp_err_t error, std::size_t count) {
    const std::vector<rd_kafka_resp_err_t> errors(count, error);
    rd_kafka_mock_push_request_errors_array(cluster_, kProduceRequest, count, errors.data());
  }
  void fail_requests(std::int16_t kind, rd_kafka_resp_err_t error, std::size_t count) {
    const std::vector<rd_kafka_resp_err_t> errors(count, error);
    rd_kafka_mock_push_request_errors_array(cluster_, kind, count, errors.data());
  }
  void heal_writes() { rd_kafka_mock_clear_request_errors(cluster_, kProduceRequest); }
  void fail_topic(const std::string& topic, rd_kafka_resp_err_t error) {
    rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), error);
  }
  void set_up(bool up) {
    const auto done = up ? rd_kafka_mock_broker_set_up(cluster_, 1) : rd_kafka_mock_broker_set_down(cluster_, 1);
    REQUIRE(done == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void set_round_trip(int milliseconds) { rd_kafka_mock_broker_set_rtt(cluster_, 1, milliseconds); }

  // In this order, from a producer that is not ours; a null value is a tombstone.
  struct Written {
    std::optional<std::string> key, value;
    std::vector<std::pair<std::string, std::string>> headers = {};
  };
  void write(const std::string& topic, int partition, const std::vector<Written>& messages) const {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", address());
    set(conf, "linger.ms", "1");
    rd_kafka_t* writer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    REQUIRE(writer != nullptr);
    for (const auto& [key, value, headers] : messages) {
      rd_kafka_headers_t* made = rd_kafka_headers_new(headers.size());
      for (const auto& [name, text] : headers)
        rd_kafka_header_add(made, name.c_str(), -1, text.data(), static_cast<ssize_t>(text.size()));
      void* const bytes = value ? const_cast<char*>(value->data()) : nullptr;
      const std::size_t size = value ? value->size() : 0;
      const void* const key_bytes = key ? key->data() : nullptr;
      const std::size_t key_size = key ? key->size() : 0;
      const auto sent = rd_kafka_producev(writer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(bytes, size),
                                          RD_KAFKA_V_KEY(key_bytes, key_size), RD_KAFKA_V_HEADERS(made), RD_KAFKA_V_END);
      REQUIRE(sent == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    REQUIRE(rd_kafka_flush(writer, 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(writer);
  }

  // Everything in the topic, by partition and there in order.
  std::vector<KafkaMessage> messages(const std::string& topic, int partitions) const {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", address());
    set(conf, "group.id", "reader");
    set(conf, "enable.partition.eof", "true");
    set(conf, "fetch.wait.max.ms", "10");
    rd_kafka_t* reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    REQUIRE(reader != nullptr);
    rd_kafka_poll_set_consumer(reader);
    std::vector<KafkaMessage> all;
    for (int partition = 0; partition < partitions; ++partition) read(reader, topic, partition, all);
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
    return all;
  }

 private:
  static void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    REQUIRE(rd_kafka_conf_set(conf, name, value.c_str(), nullptr, 0) == RD_KAFKA_CONF_OK);
  }

  static void read(rd_kafka_t* reader, const std::string& topic, int partition, std::vector<KafkaMessage>& all) {
    rd_kafka_topic_partition_list_t* one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader, one);
    rd_kafka_topic_partition_list_destroy(one);
    for (bool end = false; !end;) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(reader, 10'000);
      REQUIRE(message != nullptr);
      end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) all.push_back(taken(*message));
      rd_kafka_message_destroy(message);
    }
  }

  static KafkaMessage taken(const rd_kafka_message_t& message) {
    KafkaMessage made;
    made.topic = rd_kafka_topic_name(message.rkt);
    made.partition = message.partition;
    made.has_key = message.key != nullptr;
    if (made.has_key) made.key.assign(static_cast<const char*>(message.key), message.key_len);
    made.value.assign(static_cast<const char*>(message.payload), message.len);
    made.timestamp = rd_kafka_message_timestamp(&message, nullptr);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return made;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      made.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
    }
    return made;
  }

  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

}  // namespace penstock::fakes
