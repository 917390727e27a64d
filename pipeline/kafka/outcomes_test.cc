#include "pipeline/kafka/outcomes.h"

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <vector>

using namespace penstock;
using Kind = Outcome::Kind;

TEST_CASE("what is wrong with a connection is told with what to set, whatever the error came of") {
  const std::string untrusted = "k1: SSL handshake failed: certificate verify failed";
  for (const int error : {RD_KAFKA_RESP_ERR__SSL, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT}) {
    CHECK(kafka::sentence_of(error, {.trouble = untrusted}) ==
          "the brokers' certificate is not trusted; set ssl.ca.location to the authority that signed it: " + untrusted);
  }
  CHECK(kafka::sentence_of(RD_KAFKA_RESP_ERR__SSL, {.trouble = "k1: eof"}) ==
        "no encrypted connection to the brokers: k1: eof");
  const std::string tokenless = "no token to log in with: id.example answered 500";
  for (const int error : {RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT}) {
    CHECK(kafka::sentence_of(error, {.trouble = tokenless}) == tokenless);
  }
  CHECK(kafka::sentence_of(RD_KAFKA_RESP_ERR__AUTHENTICATION, {.trouble = "k1: {\"status\":\"invalid_token\"}"})
            .starts_with("the brokers do not accept this token; "));
  CHECK(kafka::sentence_of(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                           {.trouble = "k1: Broker: Request not valid in current SASL state: supported mechanisms: (none)"})
            .starts_with("this listener of the brokers asks for no login; "));
  CHECK(kafka::sentence_of(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, {.topic = "ev", .trouble = untrusted}) ==
        "topic 'ev' does not exist; create it, or correct its name");
}

TEST_CASE("an error means what it says about the event, or about the brokers") {
  struct Row {
    int error;
    bool by_client;
    Kind kind;
    std::string code;
    std::string reason;
  };
  for (const auto& row : std::vector<Row>{
           {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, true, Kind::rejected, "msg_size_too_large",
            "topic 'ev' does not take a message of 700 bytes"},
           {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, false, Kind::retry, "msg_size_too_large",
            "topic 'ev' does not take a message of 700 bytes, or not in the batch it was in; see its max.message.bytes"},
           {RD_KAFKA_RESP_ERR_INVALID_RECORD, false, Kind::rejected, "invalid_record",
            "topic 'ev' refuses the record; a compacted topic needs a key"},
           {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, false, Kind::unavailable, "unknown_topic_or_part",
            "topic 'ev' does not exist; create it, or correct its name"},
           {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, false, Kind::unavailable, "unknown_topic",
            "topic 'ev' does not exist; create it, or correct its name"},
           {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false, Kind::unavailable, "topic_authorization_failed",
            "no permission for topic 'ev'; allow this user to describe it and to write to it"},
           {RD_KAFKA_RESP_ERR__AUTHENTICATION, false, Kind::unavailable, "authentication",
            "the brokers do not accept this user and password: k1: refused"},
           {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, false, Kind::unavailable, "msg_timed_out",
            "the brokers did not answer in time: k1: refused"},
           {RD_KAFKA_RESP_ERR__TRANSPORT, false, Kind::unavailable, "transport", "no broker can be reached: k1: refused"},
           {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, false, Kind::unavailable, "purge_inflight",
            "the destination was closed before the brokers answered"},
           {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, false, Kind::unavailable, "not_enough_replicas",
            "Broker: Not enough in-sync replicas: k1: refused"},
       }) {
    const auto outcome =
        kafka::outcome_of(row.error, {.topic = "ev", .bytes = 700, .by_client = row.by_client, .trouble = "k1: refused"});
    CHECK(outcome.kind == row.kind);
    CHECK(outcome.code == row.code);
    CHECK(outcome.reason == row.reason);
    CHECK_FALSE(outcome.limited);
  }
  CHECK(kafka::outcome_of(0, {}).kind == Kind::delivered);
  CHECK(kafka::sentence_of(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, {.topic = "ev", .reads = true}) ==
        "no permission for topic 'ev'; allow this user to describe it and to read it");
  CHECK(kafka::outcome_of(RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, {}).limited);
}
