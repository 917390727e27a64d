#pragma once
// The codec `raw`: a whole message as a JSON object.

#include <string>

#include "pipeline/kafka/consumer.h"

namespace penstock::sources::kafka {

// Appends {"topic":…,"partition":…,"offset":…,"timestamp":…,"key":…,"headers":[[name,value]],"value":…}.
void append_raw_body(std::string& out, const penstock::kafka::TopicPartition& at, const penstock::kafka::Received& message);

}  // namespace penstock::sources::kafka
