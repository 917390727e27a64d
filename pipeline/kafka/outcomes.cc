#include "pipeline/kafka/outcomes.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "pipeline/kafka/token_request.h"

namespace penstock::kafka {
namespace {

using Kind = Outcome::Kind;

std::string name_of(rd_kafka_resp_err_t code) {
  std::string name = rd_kafka_err2name(code);
  name.erase(0, name.find_first_not_of('_'));
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name;
}

Kind kind_of(rd_kafka_resp_err_t code, bool by_client) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return by_client ? Kind::rejected : Kind::retry;
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return Kind::rejected;
    default: return Kind::unavailable;
  }
}

// What is wrong with a connection stands only in the client's words.
std::string_view advice_for(std::string_view trouble) {
  struct Row {
    std::string_view said;
    std::string_view advice;
  };
  static constexpr Row kRows[] = {
      {"certificate verify failed",
       "the brokers' certificate is not trusted; set ssl.ca.location to the authority that signed it"},
      {"alert bad certificate",
       "the brokers want a client certificate that they trust; set ssl.certificate.location and ssl.key.location"},
      {"alert certificate required",
       "the brokers want a client certificate; set ssl.certificate.location and ssl.key.location"},
      {"alert unknown ca", "the brokers do not know the authority that signed this client's certificate"},
      {"invalid_token", "the brokers do not accept this token; see for whom, by whom and with which scope it was issued"},
      {"in current SASL state",
       "this listener of the brokers asks for no login; correct security.protocol, or the port of `brokers`"},
      {"Unsupported SASL mechanism", "the brokers do not offer this sasl.mechanism"},
  };
  const auto* const found = std::ranges::find_if(kRows, [&](const Row& row) { return trouble.contains(row.said); });
  return found == std::end(kRows) ? std::string_view() : found->advice;
}

bool is_of_connection(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT: return true;
    default: return false;
  }
}

std::string with_trouble(std::string sentence, std::string_view trouble) {
  if (!trouble.empty()) sentence += fmt::format(": {}", trouble);
  return sentence;
}

}  // namespace

std::string sentence_of(int code, const Circumstances& about) {
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  if (const auto advice = advice_for(about.trouble); !advice.empty() && is_of_connection(error)) {
    return with_trouble(std::string(advice), about.trouble);
  }
  if (about.trouble.starts_with(kNoToken) && is_of_connection(error)) return std::string(about.trouble);
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return fmt::format("topic '{}' does not exist; create it, or correct its name", about.topic);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return fmt::format("no permission for topic '{}'; allow this user to describe it and to {}", about.topic,
                         about.reads ? "read it" : "write to it");
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "no permission to write idempotently; allow this user IDEMPOTENT_WRITE on the cluster, or WRITE on the topic";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return "no permission for the consumer group; allow this user READ on it";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "no permission for the transactional id; allow this user DESCRIBE and WRITE on it";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return with_trouble("the brokers do not accept this user and password", about.trouble);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return fmt::format("topic '{}' does not take a message of {} bytes{}", about.topic, about.bytes,
                         about.by_client ? "" : ", or not in the batch it was in; see its max.message.bytes");
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      return fmt::format("topic '{}' refuses the record; a compacted topic needs a key", about.topic);
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return fmt::format("'{}' is not a name that a topic can have", about.topic);
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT: return with_trouble("the brokers did not answer in time", about.trouble);
    case RD_KAFKA_RESP_ERR__SSL: return with_trouble("no encrypted connection to the brokers", about.trouble);
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: return with_trouble("no broker can be reached", about.trouble);
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: return "the destination was closed before the brokers answered";
    default: return with_trouble(rd_kafka_err2str(error), about.trouble);
  }
}

Outcome outcome_of(int code, const Circumstances& about) {
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Outcome::delivered();
  return {.kind = kind_of(error, about.by_client),
          .code = name_of(error),
          .reason = sentence_of(code, about),
          .retry_after = {},
          .limited = error == RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED};
}

}  // namespace penstock::kafka
