#include "connectors/logs/kafka/event_message.h"

#include "connectors/logs/kafka/facts_header.h"

namespace penstock::logs::kafka {

EventDecoder::EventDecoder(const Config& config) : topic_(config.events_topic()), reader_(config.paths, config.project) {}

Result<Facts> EventDecoder::facts_of(const penstock::kafka::Received& message) {
  for (const auto& [name, value] : message.headers())
    if (name == kFactsHeader) return decode_facts(value.value_or(std::string_view()), message.key().value_or(std::string_view()));
  TRY(validator_.validate(message.value().value_or(std::string_view()), index_));
  partition_ = std::to_string(message.partition());
  const RecordPlace place{.source = topic_, .partition = partition_, .offset = message.offset()};
  TRY_ASSIGN(Facts facts, reader_.read(index_, place, message.timestamp()));
  return facts;
}

}  // namespace penstock::logs::kafka
