#include "pipeline/kafka/group_commit.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "pipeline/kafka/client.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {

Result<void> commit_group_offsets(Settings settings, const std::string& group, const std::string& topic,
                                  const std::vector<std::uint64_t>& offsets, Duration patience) {
  settings.emplace_back("group.id", group);
  Client client({"log", "groups"}, nullptr);
  TRY(client.start(Role::consumer, settings));
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (std::size_t p = 0; p < offsets.size(); ++p) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), static_cast<std::int32_t>(p))->offset =
        static_cast<std::int64_t>(offsets[p]);
  }
  const Queue answers(rd_kafka_queue_new(client.get()));
  const auto asked = rd_kafka_commit_queue(client.get(), list.get(), answers.get(), nullptr, nullptr);
  const Event event(asked == RD_KAFKA_RESP_ERR_NO_ERROR
                        ? rd_kafka_queue_poll(answers.get(), static_cast<int>(patience.count()))
                        : nullptr);
  const auto code = event                                 ? rd_kafka_event_error(event.get())
                    : asked == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_RESP_ERR__TIMED_OUT
                                                          : asked;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail(
      ErrorKind::unavailable,
      fmt::format("group '{}': {}", group, sentence_of(code, {.topic = topic, .reads = true, .trouble = client.trouble()})));
}

}  // namespace penstock::kafka
