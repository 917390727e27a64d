#include "pipeline/kafka/group_commit.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <utility>

#include "pipeline/kafka/client.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::kafka {
namespace {

// To end a client that waits for the group's coordinator takes as long as a member's session, which nobody has here.
Settings for_group(Settings settings, const std::string& group) {
  settings.insert(settings.end(), {{"group.id", group}, {"session.timeout.ms", "1000"}, {"heartbeat.interval.ms", "300"}});
  return settings;
}

}  // namespace

Result<void> commit_group_offsets(Settings settings, const std::string& group, const std::string& topic,
                                  const std::vector<std::uint64_t>& offsets, Duration patience) {
  Client client({"log", "groups"}, nullptr);
  TRY(client.start(Role::consumer, for_group(std::move(settings), group)));
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (std::size_t p = 0; p < offsets.size(); ++p) {
    if (offsets[p] == kNoOffset) continue;
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), static_cast<std::int32_t>(p))->offset =
        static_cast<std::int64_t>(offsets[p]);
  }
  if (list->cnt == 0) return {};
  const Queue answers(rd_kafka_queue_new(client.get()));
  const auto asked = rd_kafka_commit_queue(client.get(), list.get(), answers.get(), nullptr, nullptr);
  const Event event(asked == RD_KAFKA_RESP_ERR_NO_ERROR
                        ? rd_kafka_queue_poll(answers.get(), static_cast<int>(patience.count()))
                        : nullptr);
  const auto code = asked != RD_KAFKA_RESP_ERR_NO_ERROR ? asked
                    : event                             ? rd_kafka_event_error(event.get())
                                                        : RD_KAFKA_RESP_ERR__WAIT_COORD;
  if (code == RD_KAFKA_RESP_ERR__WAIT_COORD) {  // librdkafka does not say so when a group may not be looked for
    return fail(ErrorKind::unavailable,
                fmt::format("group '{}': its coordinator did not answer in time; allow this user READ on the group, or look "
                            "after the brokers",
                            group));
  }
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return fail(
      ErrorKind::unavailable,
      fmt::format("group '{}': {}", group, sentence_of(code, {.topic = topic, .reads = true, .trouble = client.trouble()})));
}

Result<std::vector<std::uint64_t>> group_offsets(Settings settings, const std::string& group, const std::string& topic,
                                                 int partitions, Duration patience) {
  Client client({"log", "groups"}, nullptr);
  TRY(client.start(Role::consumer, for_group(std::move(settings), group)));
  const PartitionList list(rd_kafka_topic_partition_list_new(partitions));
  for (int p = 0; p < partitions; ++p) rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p);
  const auto code = rd_kafka_committed(client.get(), list.get(), static_cast<int>(patience.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(ErrorKind::unavailable,
                fmt::format("group '{}': {}", group,
                            sentence_of(code, {.topic = topic, .reads = true, .trouble = client.trouble()})));
  }
  std::vector<std::uint64_t> offsets;
  for (int p = 0; p < partitions; ++p) {
    if (const auto of_one = list->elems[p].err; of_one != RD_KAFKA_RESP_ERR_NO_ERROR)
      return fail(ErrorKind::unavailable,
                  fmt::format("group '{}': {}", group, sentence_of(of_one, {.topic = topic, .reads = true, .trouble = {}})));
    offsets.push_back(list->elems[p].offset < 0 ? kNoOffset : static_cast<std::uint64_t>(list->elems[p].offset));
  }
  return offsets;
}

}  // namespace penstock::kafka
