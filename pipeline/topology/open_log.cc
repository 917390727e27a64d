// Which log a pipeline stands on: its own on the local disk, or topics on Kafka.
#include <algorithm>
#include <iterator>
#include <utility>

#include "connectors/logs/kafka/data_folder.h"
#include "connectors/logs/kafka/kafka_log.h"
#include "pipeline/base/codec.h"
#include "pipeline/event/murmur2.h"
#include "pipeline/ingest/captured_position.h"
#include "pipeline/topology/builder.h"

namespace penstock::topology {

FactPaths paths_of(const SourceSettings& settings) {
  if (!settings.map) return {};
  return {settings.map->event, settings.map->distinct_id, settings.map->timestamp, settings.map->uuid};
}

namespace {

// A commit that says how far it is says it of its whole share.
std::optional<std::uint64_t> captured_read(const LogRecord& commit) {
  std::vector<SourcePosition> positions;
  std::ranges::copy_if(commit.positions, std::back_inserter(positions),
                       [](const auto& position) { return position.source == ingest::kCapturedSource; });
  std::optional<std::uint64_t> read;
  for (const auto& position : positions) {
    const auto next = Reader(position.position).varint();
    if (next) read = std::min(read.value_or(*next), *next);
  }
  return read;
}

// What facts its events get. Addresses, files and topics may be others on another machine.
std::uint32_t print_of(const PlannedSource& source) {
  const FactPaths paths = paths_of(source.settings);
  std::string text;
  Writer to(text);
  for (const auto& each :
       {source.settings.type, source.project, paths.event, paths.distinct_id, paths.timestamp, paths.uuid})
    to.text(each);
  return murmur2(text);
}

}  // namespace

Result<void> Parts::open_log(std::stop_token stop) {
  return on_kafka() ? open_kafka_log(std::move(stop)) : open_local_log();
}

Result<void> Parts::open_local_log() {
  logs::local::LocalLogOptions options;
  options.folder = plan.data;
  options.partitions = plan.settings.log.partitions;
  TRY(disk.create_directories(plan.data));
  TRY_ASSIGN(const auto space, disk.space(plan.data));
  options.segment_bytes = Bytes{plan.settings.log.segment_on(space.total)};
  options.memory = &chunk_memory;
  TRY_ASSIGN(auto opened, logs::local::LocalLog::open(std::move(options), disk, clock));
  local_log_ = opened.get();
  log = std::move(opened);
  return {};
}

Result<void> Parts::open_kafka_log(std::stop_token stop) {
  auto config = plan.settings.log.on_kafka();
  if (plan.sources.size() == 1) {
    config.paths = paths_of(plan.sources.front().settings);
    config.project = plan.sources.front().project;
  }
  own_topics_.names = {config.captured_topic(), config.events_topic(), config.state_topic()};
  TRY_ASSIGN(data_lock, logs::kafka::lock_data_folder(disk, plan.data));
  if (config.shards > 1) {
    for (const auto& source : plan.sources) config.sources.push_back({source.settings.name, print_of(source)});
    TRY_ASSIGN(config.instance, logs::kafka::instance_of(disk, plan.data));
  }
  auto opened =
      logs::kafka::KafkaLog::open(std::move(config), {clock, &chunk_memory, &metrics, std::move(stop), captured_read});
  if (!opened) return fail(std::move(opened).error().context("the log on Kafka cannot be opened"));
  const std::string& identity = (*opened)->identity();
  own_topics_.cluster = identity.substr(0, identity.find(' '));
  TRY(logs::kafka::bind_data_folder(disk, plan.data, (*opened)->identity(), (*opened)->partitions()));
  if ((*opened)->shards() > 1) {
    group_log_ = opened->get();
    const auto& dedup = plan.settings.ingest.dedup;
    uuids_of_log_ =
        std::make_unique<ingest::UuidsOfLog>(ingest::DedupSettings{dedup.window, static_cast<std::size_t>(dedup.uuids)});
  }
  event_bytes_max_ = (*opened)->event_bytes_max();
  letter_bytes_max_ = (*opened)->letter_bytes_max();
  log = *std::move(opened);
  return {};
}

}  // namespace penstock::topology
