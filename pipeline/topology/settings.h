#pragma once
// The keys of penstock.yaml that belong to no connector. What a `type:` adds is declared by that connector.

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "pipeline/base/compression.h"
#include "pipeline/config/fields.h"

namespace penstock::topology {

enum class LogType : std::uint8_t { local, kafka };

}  // namespace penstock::topology

template <>
struct penstock::config::enum_names<penstock::topology::LogType> {
  static constexpr std::array names{std::pair{std::string_view("local"), penstock::topology::LogType::local},
                                    std::pair{std::string_view("kafka"), penstock::topology::LogType::kafka}};
};

template <>
struct penstock::config::enum_names<penstock::logs::kafka::FactsForm> {
  static constexpr std::array names{std::pair{std::string_view("header"), penstock::logs::kafka::FactsForm::header},
                                    std::pair{std::string_view("none"), penstock::logs::kafka::FactsForm::none}};
};

template <>
struct penstock::config::enum_names<penstock::Compression> {
  static constexpr std::array names{std::pair{std::string_view("lz4"), penstock::Compression::lz4},
                                    std::pair{std::string_view("zstd"), penstock::Compression::zstd}};
};

namespace penstock::topology {

using config::field;
using config::Need;
using config::range;

// A type for each log, because what a setting is when not written is known by its type.
template <int Days, int GiB>
struct LogRetention {
  Duration age{Days * 86'400'000LL};
  Bytes bytes{GiB * std::uint64_t{1} << 30};

  static constexpr auto fields() {
    constexpr Duration kYear{365LL * 86'400'000};
    return std::tuple{field("age", &LogRetention::age, "What was appended longer ago than this is removed.",
                            range(Duration{1000}, 10 * kYear)),
                      field("bytes", &LogRetention::bytes, "While the log is larger than this, its oldest part is removed.",
                            range(1_MiB, Bytes{1ULL << 50}))};
  }
};

struct RetentionSettings {
  LogRetention<7, 10> events;
  LogRetention<1, 2> captured;
  Bytes free_min = 1_GiB;

  static constexpr auto fields() {
    return std::tuple{
        field(
            "events", &RetentionSettings::events,
            "Of what ingest made. A destination that has not got an event by then misses it, unless it says `hold: true`."),
        field("captured", &RetentionSettings::captured, "Of what pushed sources sent; only what ingest is done with."),
        field(
            "free_min", &RetentionSettings::free_min,
            "With less free on the disk the logs are cut as far as they may be, and then sources wait; with less than half "
            "of it ingest waits, too. At most a twentieth of the disk, but four `segment`s where they are more, "
            "up to an eighth. 0B: nobody waits before the disk is full.",
            range(Bytes{0}, 1024_GiB))};
  }
};

struct LogSettings {
  LogType type = LogType::local;
  std::optional<int> partitions;
  Compression compression = Compression::lz4;
  Bytes segment = 64_MiB;
  Bytes pending_max = 32_MiB;
  RetentionSettings retention;
  std::vector<std::string> brokers;
  std::string prefix;
  std::string events;
  logs::kafka::FactsForm facts = logs::kafka::FactsForm::header;
  int shards = 1;
  bool create = false;
  std::optional<int> replication;
  config::StringMap client;

  static constexpr auto fields() {
    return std::tuple{
        field("type", &LogSettings::type, "Where the logs live: `local` is the data folder, `kafka` topics."),
        field("partitions", &LogSettings::partitions,
              "Partitions of both logs, 16 unless said. Fixed when the data folder is made; another number later is "
              "refused. On "
              "Kafka those of the topic `events`; one that exists says how many it has.",
              range(1, 1024)),
        field(
            "compression", &LogSettings::compression,
            "How the local log `events` is stored. `zstd` takes less of the disk and more of the processor; what is stored "
            "stays as it is. On Kafka it is `compression.type` in `client`."),
        field("segment", &LogSettings::segment,
              "Size at which the local log begins a new file, for only whole files can be removed. At most a 64th of the "
              "disk, but not below 1MiB.",
              range(1_MiB, 1_GiB)),
        field("pending_max", &LogSettings::pending_max,
              "Bytes that may wait for the disk, or the brokers, before pushed sources are told to come again.",
              range(1_MiB, 4_GiB)),
        field("retention", &LogSettings::retention,
              "How much of the logs is kept. On Kafka the brokers remove events: `events` is what a topic is created with, "
              "and "
              "of `captured` only the age counts."),
        field("brokers", &LogSettings::brokers, "Kafka: some brokers of the cluster as host:port; they name the others."),
        field("prefix", &LogSettings::prefix,
              "Kafka: what the names of the log's topics begin with: PREFIX.captured, PREFIX.events, PREFIX.state."),
        field("shards", &LogSettings::shards,
              "Kafka: into how many shares the input is divided, and so how many processes at most share the work, each "
              "with this "
              "configuration and a data folder of its own. Fixed when the topics are made. With 1 one process at a time has "
              "all of "
              "it, and one that starts takes over.",
              range(1, 256)),
        field("events", &LogSettings::events,
              "Kafka: another name for the topic of events, to be read by others too. Each is a plain message: its JSON is "
              "the "
              "value, its distinct id the key."),
        field("facts", &LogSettings::facts,
              "Kafka: whether each message of the topic of events has the event's facts in a header. With `none` they are "
              "read from the body when the event is delivered, as the `map` of the only source says."),
        field("create", &LogSettings::create, "Kafka: whether topics that are missing are created."),
        field("replication", &LogSettings::replication, "Kafka: replicas of topics that are created. Default: the brokers'.",
              range(1, 32)),
        field(
            "client", &LogSettings::client,
            "Kafka: any setting of librdkafka by its name, such as security.protocol or compression.type; tokens as for the "
            "destination `kafka`.")};
  }
  void check(config::StructReader& reader) const {
    if (type == LogType::kafka) return logs::kafka::check(on_kafka(), reader);
    for (const auto& [name, given] : {std::pair{"brokers", !brokers.empty()},
                                      {"prefix", !prefix.empty()},
                                      {"events", !events.empty()},
                                      {"shards", shards != 1}}) {
      if (given) reader.problem(name, "it is for a log of `type: kafka`");
    }
  }
  // On a disk of so many bytes: files of the log that small disks have room for several of.
  std::uint64_t segment_on(std::uint64_t disk_bytes) const {
    return std::min(segment.count, std::max(Bytes{1_MiB}.count, disk_bytes / 64));
  }
  // What of it the log on Kafka is told.
  logs::kafka::Config on_kafka() const {
    logs::kafka::Config config;
    config.brokers = brokers;
    config.prefix = prefix;
    config.events = events;
    config.facts = facts;
    config.partitions = partitions;
    config.replication = replication;
    config.shards = shards;
    config.create = create;
    config.events_age = retention.events.age;
    config.events_bytes = retention.events.bytes;
    config.client = client;
    return config;
  }
};

struct ProjectSettings {
  std::string name;
  std::string token;

  static constexpr auto fields() {
    return std::tuple{
        field("name", &ProjectSettings::name, "Stands in the fact `project` of every event.", Need::required),
        field("token", &ProjectSettings::token, "What SDKs send to name the project; public, as it stands in web pages.")};
  }
};

struct MapSettings {
  std::string event;
  std::string distinct_id;
  std::string timestamp;
  std::string uuid;

  static constexpr auto fields() {
    return std::tuple{field("event", &MapSettings::event, "Dotted path of the event's name, e.g. `type`.", Need::required),
                      field("distinct_id", &MapSettings::distinct_id, "Dotted path of who did it, e.g. `customer.id`."),
                      field("timestamp", &MapSettings::timestamp, "Dotted path of when it happened."),
                      field("uuid", &MapSettings::uuid, "Dotted path of the event's own id, when it has one.")};
  }
};

struct SourceSettings {
  std::string name;
  std::string type;
  std::string project;
  std::optional<MapSettings> map;

  static constexpr auto fields() {
    return std::tuple{
        field("name", &SourceSettings::name, "Unique; stands in the fact `source`, in metrics and positions.",
              Need::required),
        field("type", &SourceSettings::type, "Which kind of source: see `penstock connectors list`.", Need::required),
        field("project", &SourceSettings::project, "A name from `projects`. Default: the first project."),
        field("map", &SourceSettings::map,
              "Where the facts are in a body of another shape than the SDKs'. Without it the body is canonical.")};
  }
};

struct DestinationSettings {
  std::string name;
  std::string type;
  config::Node apps;

  static constexpr auto fields() {
    return std::tuple{
        field("name", &DestinationSettings::name, "Unique; its cursor, dead letters and metrics go by it.", Need::required),
        field("type", &DestinationSettings::type, "Which kind of destination: see `penstock connectors list`.",
              Need::required),
        field(
            "apps", &DestinationSettings::apps,
            "Lua apps that its events pass after `events` and `when`, in this order; others do not see what they make. They "
            "have no app.state, and their app.now() is when the event was received.")};
  }
};

struct ControlSettings {
  config::ListenAddress listen;
  config::Secret token;

  static constexpr auto fields() {
    return std::tuple{
        field("listen", &ControlSettings::listen,
              "Address of the control API and /metrics. Port 0 takes a free one; `data/control.json` says which."),
        field("token", &ControlSettings::token,
              "Bearer token of the control API. Default: a new random one at each start, in `data/control.json`.")};
  }
};

struct DedupSettings {
  Duration window{3'600'000};
  int uuids = 1'000'000;

  static constexpr auto fields() {
    return std::tuple{field("window", &DedupSettings::window, "How long the uuid of an event is remembered.",
                            range(Duration(1'000), Duration(7LL * 86'400'000))),
                      field("uuids", &DedupSettings::uuids,
                            "How many are remembered at most, at 28 bytes each; 0 lets everything pass, "
                            "also a dead letter of ingest that is sent again twice before it is read.",
                            range(0, 100'000'000))};
  }
};

struct IngestSettings {
  int commit_events = 10'000;
  Bytes commit_bytes = 8_MiB;
  Duration commit_within{100};
  DedupSettings dedup;
  bool watch_apps = true;

  static constexpr auto fields() {
    return std::tuple{
        field("commit_events", &IngestSettings::commit_events, "Events after which ingest commits.", range(1, 1'000'000)),
        field("commit_bytes", &IngestSettings::commit_bytes, "Bytes after which ingest commits.", range(1_KiB, 128_MiB)),
        field("commit_within", &IngestSettings::commit_within, "Time after which ingest commits.",
              range(Duration(1), Duration(10'000))),
        field("dedup", &IngestSettings::dedup,
              "Events that a client pushes again, because it did not hear the answer, are passed over by their uuid."),
        field(
            "watch_apps", &IngestSettings::watch_apps,
            "Whether apps are taken anew when their files change and their cases pass; `penstock reload` does it always.")};
  }
};

struct StateSettings {
  Duration checkpoint_every{3'600'000};

  static constexpr auto fields() {
    return std::tuple{field("checkpoint_every", &StateSettings::checkpoint_every,
                            "How often a copy of the derived state is put aside, so that it can be made again although the "
                            "log has lost its beginning. Taken earlier when retention waits for one.",
                            range(Duration(1'000), Duration(7LL * 86'400'000)))};
  }
};

struct DeliverySettings {
  int threads = 2;

  static constexpr auto fields() {
    return std::tuple{field("threads", &DeliverySettings::threads, "Threads that all destinations share.", range(1, 64))};
  }
};

// The whole file. Lists whose entries are more than one struct can say are kept as nodes and read entry by entry.
struct PipelineSettings {
  std::string data = "./data";
  std::optional<int> workers;
  LogSettings log;
  std::vector<ProjectSettings> projects;
  config::Node sources;
  config::Node apps;
  config::Node destinations;
  ControlSettings control;
  IngestSettings ingest;
  StateSettings state;
  DeliverySettings delivery;
  std::optional<Bytes> memory_max;

  static constexpr auto fields() {
    return std::tuple{
        field("data", &PipelineSettings::data, "The data folder, relative to this file. One process at a time."),
        field(
            "workers", &PipelineSettings::workers,
            "Threads that run the apps. Default: one less than the machine has, at least one; never more than "
            "`log.partitions`. May be another at every start. What pushed sources accept is divided by distinct id, and "
            "they "
            "share app.state. A polled source is read by one thread, so that its order stays, and has app.state of its own: "
            "the same distinct id elsewhere does not count there.",
            range(1, 256)),
        field("log", &PipelineSettings::log, "The logs between sources and destinations."),
        field("projects", &PipelineSettings::projects, "Projects that events belong to. Default: one named `default`."),
        field("sources", &PipelineSettings::sources, "Where events come from.", Need::required),
        field("apps", &PipelineSettings::apps, "Lua apps every event passes, in this order."),
        field("destinations", &PipelineSettings::destinations, "Where events go.", Need::required),
        field("control", &PipelineSettings::control, "The control API."),
        field("ingest", &PipelineSettings::ingest, "How ingest commits."),
        field("state", &PipelineSettings::state, "What the log implies: positions of sources, rows of app.state."),
        field("delivery", &PipelineSettings::delivery, "What destinations share."),
        field("memory_max", &PipelineSettings::memory_max,
              "Most bytes that all buffers hold together, whatever becomes of destinations; beside it there are the program "
              "itself (about 40 MiB), the Lua states of apps, and for each destination the record of the log that it "
              "reads. Default: what the other settings need, and 64 MiB.",
              range(64_MiB, Bytes{1ULL << 50}))};
  }
};

}  // namespace penstock::topology
