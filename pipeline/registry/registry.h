#pragma once
// Everything that `type:` can name. A value built in main by calling each connector's `register_in`; no globals.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/config/fields.h"
#include "pipeline/config/values.h"
#include "pipeline/ports/destination.h"
#include "pipeline/ports/disk.h"
#include "pipeline/ports/http_client.h"
#include "pipeline/ports/log.h"
#include "pipeline/ports/source.h"

namespace penstock::telemetry {
class Metrics;
}

namespace penstock {

// Topics of one Kafka cluster.
struct KafkaTopics {
  std::string field{};  // of the settings that names them
  std::vector<std::string> brokers{};  // as they stand there
  std::string cluster{};  // its id, when it is known
  std::vector<std::string> names{};
};

// What a connector may use of the process. References outlive every connector.
struct ConnectorContext {
  std::string name;           // the component's name in the YAML
  std::string base_folder;    // relative paths in settings are relative to the YAML's folder
  const Clock& clock;
  HttpClient& http;
  // For what the connector's library knows and delivery does not; null: nobody looks.
  telemetry::Metrics* metrics = nullptr;
  bool attachments = false;  // a source is to give them: the log keeps them
  // How far ingest has committed a source. Any thread, for as long as the connector lives. Null: nobody knows.
  std::function<Result<std::vector<SourcePosition>>()> committed = nullptr;
  PartitionShare share{};  // of the input, for a source that is divisible
  KafkaTopics own_topics{};  // the pipeline's log; a source that read them would read what it brings itself, for ever
  // Tells people why a source cannot read what it is to read; empty: it can. Any thread. Null: nobody asks.
  std::function<void(std::string)> trouble = nullptr;
};

using AnySource = std::variant<std::unique_ptr<PolledSource>, std::unique_ptr<PushedSource>>;

// What an entry must have for itself alone: an address to listen at, or a file to write, as it stands in the settings.
struct Claim {
  std::string field;  // that says so
  std::optional<config::ListenAddress> address{};
  std::string file{};
};

// A checked set of settings, ready to build from as often as needed.
template <class Made>
struct Plan {
  std::function<Result<Made>(const ConnectorContext&)> build;
  bool finite = false;  // sources: ends by itself
  Bytes memory{0};  // sources: what they may hold that nobody has taken yet
  std::vector<Claim> claims{};
  KafkaTopics reads{};  // sources: the topics that they name; patterns may find more
  bool needs_map = false;  // sources: without `map` nothing of it is an event
  bool by_captured = false;  // polled sources: their records are divided anew, by way of `captured`
  bool pushed = false;  // sources
  bool divisible = false;  // sources: several of it, in as many processes, can have shares of the input
  Bytes share_memory_min{0};  // and each of them holds that much, however little `memory` says
};

// What the catalogue says of one type, and how its settings are read.
template <class Made>
struct ConnectorType {
  std::string name;      // "webhook"
  std::string summary;   // one sentence
  std::string example;   // YAML of one list entry without "- name/type"; must validate (tested)
  const config::StructInfo* settings = nullptr;  // for schema and documentation
  // Reads the settings from the component's map; what is wrong goes to the reader. `common` keys (name, type, …) have been
  // read by the caller and are not unknown.
  std::function<Plan<Made>(config::StructReader&)> read;
};

template <class Made>
class ConnectorTypes {
 public:
  // T has: struct Config with fields(); constructor T(Config, const ConnectorContext&); static constexpr kSummary, kExample.
  // Sources may have `static bool finite(const Config&)`, `static Bytes memory(const Config&)`, `static bool needs_map(const Config&)` and `static bool by_captured(const Config&)`; a Config may have
  // `std::vector<Claim> claims() const`, and of sources `KafkaTopics reads() const`.
  template <class T>
  void add(std::string name);

  const ConnectorType<Made>* find(std::string_view name) const {
    const auto it = types_.find(name);
    return it == types_.end() ? nullptr : &it->second;
  }
  const std::map<std::string, ConnectorType<Made>, std::less<>>& all() const { return types_; }

 private:
  std::map<std::string, ConnectorType<Made>, std::less<>> types_;
};

struct Registry {
  ConnectorTypes<AnySource> sources;
  ConnectorTypes<std::unique_ptr<Destination>> destinations;
};

template <class Made>
template <class T>
void ConnectorTypes<Made>::add(std::string name) {
  using Config = typename T::Config;
  ConnectorType<Made> type;
  type.name = name;
  type.summary = std::string(T::kSummary);
  type.example = std::string(T::kExample);
  type.settings = &config::struct_info<Config>();
  type.read = [](config::StructReader& reader) {
    Config settings;
    reader.read(settings);
    Plan<Made> plan;
    if constexpr (requires { T::finite(settings); }) plan.finite = T::finite(settings);
    if constexpr (requires { T::memory(settings); }) plan.memory = T::memory(settings);
    if constexpr (requires { T::needs_map(settings); }) plan.needs_map = T::needs_map(settings);
    if constexpr (requires { T::by_captured(settings); }) plan.by_captured = T::by_captured(settings);
    if constexpr (requires { settings.claims(); }) plan.claims = settings.claims();
    if constexpr (requires { settings.reads(); }) plan.reads = settings.reads();
    if constexpr (requires { T::kDivisible; }) plan.divisible = T::kDivisible;
    if constexpr (requires { T::kShareMemoryMin; }) plan.share_memory_min = T::kShareMemoryMin;
    plan.pushed = std::is_base_of_v<PushedSource, T>;
    plan.build = [settings](const ConnectorContext& context) -> Result<Made> {
      return Made(std::make_unique<T>(settings, context));
    };
    return plan;
  };
  types_.emplace(std::move(name), std::move(type));
}

}  // namespace penstock
