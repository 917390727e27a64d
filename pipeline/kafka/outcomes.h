#pragma once
// What an error of librdkafka means for an event that was to be written: the one table for whoever produces.
//   rejected     the event can never be written: too large for the client, invalid, or a topic's name that cannot be
//   retry        the broker found it, or others that it travelled with, too large
//   unavailable  everything else: brokers, network, rights, topics that do not exist, timeouts
// Pure functions; any thread. A code is the number of librdkafka's rd_kafka_resp_err_t.

#include <string>
#include <string_view>

#include "pipeline/ports/destination.h"

namespace penstock::kafka {

// What is known besides the error.
struct Circumstances {
  std::string_view topic = {};
  std::size_t bytes = 0;          // of the event
  bool by_client = false;         // refused before it was sent anywhere
  bool reads = false;             // a consumer, not a producer
  std::string_view trouble = {};  // what went wrong last with the brokers; may be empty
};

// Its code is librdkafka's own name in small letters: "topic_authorization_failed", "msg_timed_out".
Outcome outcome_of(int code, const Circumstances& circumstances);

// "topic 'events' does not exist; create it, or correct `topic`"
std::string sentence_of(int code, const Circumstances& circumstances);

}  // namespace penstock::kafka
