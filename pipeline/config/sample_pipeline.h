#pragma once
// For tests and the fuzz target: a small pipeline read the way the real one is, with a list whose entries have common keys and
// keys of their type.

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/config/fields.h"

namespace penstock::config::sample {

enum class LogType { local, kafka };
enum class Compression { none, gzip, zstd };

struct Log {
  LogType type = LogType::local;
  std::vector<std::string> brokers;
  Duration keep = std::chrono::hours(24 * 7);
  Bytes keep_bytes = 10_GiB;

  static constexpr auto fields() {
    return std::tuple{field("type", &Log::type, "Where events are kept."),
                      field("brokers", &Log::brokers, "Kafka brokers as host:port."), field("keep", &Log::keep, "How long."),
                      field("keep_bytes", &Log::keep_bytes, "How much.", range(64_MiB, 1024_GiB))};
  }
  void check(StructReader& reader) const {
    if (type == LogType::kafka && brokers.empty()) reader.problem("brokers", "a kafka log needs at least one broker");
  }
};

struct Project {
  std::string name;
  std::string token;
  static constexpr auto fields() {
    return std::tuple{field("name", &Project::name, "Its name.", Need::required),
                      field("token", &Project::token, "The public key SDKs send.", Need::required)};
  }
};

struct App {
  std::string use;
  Node with;
  std::vector<std::string> events;
  std::optional<std::string> when;
  std::string on_error = "dead_letter";
  static constexpr auto fields() {
    return std::tuple{
        field("use", &App::use, "The app's name.", Need::required), field("with", &App::with, "Its settings."),
        field("events", &App::events, "Names of events it sees."), field("when", &App::when, "A Lua expression."),
        field("on_error", &App::on_error, "What becomes of a failing event.", one_of("dead_letter", "drop", "pass"))};
  }
};

struct Batch {
  int events = 500;
  Bytes bytes = 1_MiB;
  Duration within{250};
  static constexpr auto fields() {
    return std::tuple{
        field("events", &Batch::events, "At most so many events.", range(1, 100'000)),
        field("bytes", &Batch::bytes, "At most so many bytes.", range(1_KiB, 64_MiB)),
        field("within", &Batch::within, "How long the first event may wait.", range(Duration(0), Duration(3'600'000)))};
  }
};

struct DestinationCommon {
  std::string name;
  std::string type;
  std::vector<std::string> events;
  Batch batch;
  static constexpr auto fields() {
    return std::tuple{field("name", &DestinationCommon::name, "Its name: the identity of its cursor.", Need::required),
                      field("type", &DestinationCommon::type, "What it is.", Need::required),
                      field("events", &DestinationCommon::events, "Names of events it takes."),
                      field("batch", &DestinationCommon::batch, "How events are grouped.")};
  }
};

struct Webhook {
  Url url;
  int in_flight_max = 8;
  Duration timeout{5000};
  StringMap headers;
  Secret signing_key;
  std::optional<Rate> rate;
  static constexpr auto fields() {
    return std::tuple{field("url", &Webhook::url, "Where to POST each batch.", Need::required),
                      field("in_flight_max", &Webhook::in_flight_max, "Concurrent requests.", range(1, 1000)),
                      field("timeout", &Webhook::timeout, "Deadline of one request."),
                      field("headers", &Webhook::headers, "Further headers."),
                      field("signing_key", &Webhook::signing_key, "Signs each request."),
                      field("rate", &Webhook::rate, "At most so many requests.")};
  }
};

struct File {
  std::string path;
  Compression compression = Compression::none;
  bool append = true;
  double sample = 1;
  ListenAddress status;
  std::uint16_t mode = 420;
  static constexpr auto fields() {
    return std::tuple{field("path", &File::path, "The file.", Need::required),
                      field("compression", &File::compression, "How it is packed."),
                      field("append", &File::append, "Whether an existing file is kept."),
                      field("sample", &File::sample, "Share of events.", range(0.0, 1.0)),
                      field("status", &File::status, "Where to serve its status."),
                      field("mode", &File::mode, "Permission bits.")};
  }
};

struct Pipeline {
  std::string data = "./data";
  Log log;
  std::vector<Project> projects;
  std::vector<App> apps;
  std::vector<Node> destinations;
  static constexpr auto fields() {
    return std::tuple{field("data", &Pipeline::data, "The folder of everything kept."),
                      field("log", &Pipeline::log, "Where events are kept."),
                      field("projects", &Pipeline::projects, "Who sends events."),
                      field("apps", &Pipeline::apps, "What is done to each event, in order."),
                      field("destinations", &Pipeline::destinations, "Where events go.")};
  }
};

template <class T>
void read_type(StructReader& reader) {
  T settings;
  reader.read(settings);
}

inline void read_destination(const Node& node, std::size_t index, Problems& problems) {
  static const std::map<std::string, void (*)(StructReader&)> types{{"webhook", read_type<Webhook>},
                                                                    {"file", read_type<File>}};
  StructReader reader(node, element_path("destinations", index, node), problems);
  DestinationCommon common;
  reader.read(common);
  if (const auto type = types.find(common.type); type != types.end()) {
    type->second(reader);
    reader.finish();
  } else if (!common.type.empty()) {
    reader.problem("type", unknown_name("destination type", common.type, {"file", "webhook"}));
  }
}

// All that is wrong with it goes to `problems`.
inline Pipeline read_pipeline(const Node& root, Problems& problems) {
  Pipeline pipeline;
  StructReader reader(root, "", problems);
  reader.read(pipeline);
  reader.finish();
  for (std::size_t i = 0; i < pipeline.destinations.size(); ++i) read_destination(pipeline.destinations[i], i, problems);
  return pipeline;
}

}  // namespace penstock::config::sample

template <>
struct penstock::config::enum_names<penstock::config::sample::LogType> {
  using enum sample::LogType;
  static constexpr std::array names{std::pair{"local", local}, std::pair{"kafka", kafka}};
};
template <>
struct penstock::config::enum_names<penstock::config::sample::Compression> {
  using enum sample::Compression;
  static constexpr std::array names{std::pair{"none", none}, std::pair{"gzip", gzip}, std::pair{"zstd", zstd}};
};
