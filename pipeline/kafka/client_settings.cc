#include "pipeline/kafka/client_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/kafka/token_settings.h"

namespace penstock::kafka {
namespace {

// By name, who may set it: 'C', 'P' or '*' for both.
using Properties = std::map<std::string, char, std::less<>>;

constexpr std::array kNobodys{
    Owned{"bootstrap.servers", "set `brokers` instead"},
    Owned{"metadata.broker.list", "set `brokers` instead"},
    Owned{"plugin.library.paths", "no foreign code is loaded into this process"},
    Owned{"enabled_events", "the events are taken as the component needs them"},
    Owned{"log.queue", "log lines are taken where they are made"},
    Owned{"opaque", "it is for programs"},
};

struct ConfigurationDeleter {
  void operator()(rd_kafka_conf_t* made) const { rd_kafka_conf_destroy(made); }
};
using Configuration = std::unique_ptr<rd_kafka_conf_t, ConfigurationDeleter>;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// The table that librdkafka prints of itself: "name | C/P | range | …".
Properties read_properties() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = ::open_memstream(&text, &size);
  if (out == nullptr) return {};
  rd_kafka_conf_properties_show(out);
  std::fclose(out);
  Properties properties;
  for (std::string_view rest(text, size); !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto bar = line.find('|');
    const auto name = trimmed(line.substr(0, bar));
    if (bar == std::string_view::npos || name.empty() || name == "Property" || name.starts_with("--")) continue;
    const auto role = trimmed(line.substr(bar + 1, line.find('|', bar + 1) - bar - 1));
    // A name stands there twice when it is of the client and of topics alike; their roles are the same.
    if (!role.empty()) properties.try_emplace(std::string(name), role.front());
  }
  std::free(text);
  for (const auto name : token_names())
    properties.try_emplace(std::string(name), '*');  // ours, whether it knows them or not
  return properties;
}

const Properties& properties() {
  static const Properties all = read_properties();
  return all;
}

// What a mistyped name may have meant.
std::vector<std::string_view> names_for(char role) {
  std::vector<std::string_view> names;
  for (const auto& [name, whose] : properties())
    if (whose == role || whose == '*') names.emplace_back(name);
  return names;
}

// Why nobody may set it here; none: one may.
std::optional<std::string_view> why_owned(std::string_view name, std::span<const Owned> owned) {
  for (const auto list : {owned, std::span<const Owned>(kNobodys)}) {
    const auto found = std::ranges::find(list, name, &Owned::name);
    if (found != list.end()) return found->why;
  }
  return std::nullopt;
}

// librdkafka ends some with a newline.
std::string without_end(std::string_view said) {
  const auto last = said.find_last_not_of(" \n");
  return std::string(last == std::string_view::npos ? "" : said.substr(0, last + 1));
}

bool is_secret(const config::StructReader& reader, std::string_view field, std::string_view key) {
  const config::Node* map = reader.find(field);
  const config::Node* value = map == nullptr ? nullptr : map->find(key);
  return value != nullptr && value->secret;
}

std::string unknown(const std::string& name, char role, std::span<const Owned> owned) {
  const auto names = names_for(role);
  const auto near = config::closest(name, names);
  if (near.empty()) return fmt::format("librdkafka has no setting '{}'", name);
  if (const auto why = why_owned(near, owned))
    return fmt::format("librdkafka has no setting '{}', and '{}' cannot be set here: {}", name, near, *why);
  return fmt::format("librdkafka has no setting '{}', did you mean '{}'?", name, near);
}

// What is wrong with one of them, for itself.
std::optional<std::string> problem_of(const Settings::value_type& entry, bool secret, char role,
                                      std::span<const Owned> owned, rd_kafka_conf_t* scratch) {
  const std::string& name = entry.first;
  if (const auto why = why_owned(name, owned)) return fmt::format("'{}' cannot be set here: {}", name, *why);
  const auto known = properties().find(name);
  if (known == properties().end()) return unknown(name, role, owned);
  if (known->second != '*' && known->second != role) {
    return fmt::format("'{}' is a setting of {}", name, role == 'P' ? "consumers" : "producers");
  }
  if (is_of_tokens(name)) return std::nullopt;
  char why[512] = "";
  if (rd_kafka_conf_set(scratch, name.c_str(), entry.second.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK)
    return std::nullopt;
  return secret ? fmt::format("librdkafka refuses the value of '{}'", name) : without_end(why);
}

void say_nothing(const rd_kafka_t*, int, const char*, const char*) {}
void give_no_token(rd_kafka_t*, const char*, void*) {}

// What librdkafka says against all of them together; empty: nothing.
std::string contradiction(const Settings& client, Role role, const Settings& ours) {
  Configuration conf(rd_kafka_conf_new());
  char why[512] = "";
  for (const auto* settings : {&ours, &client}) {
    for (const auto& [name, value] : *settings) {
      if (name == "bootstrap.servers" || is_of_tokens(name)) continue;
      if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) return why;
    }
  }
  rd_kafka_conf_set_log_cb(conf.get(), say_nothing);
  if (tokens_for(client)) rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf.get(), give_no_token);
  rd_kafka_conf_t* const given = conf.release();
  rd_kafka_t* made = rd_kafka_new(role == Role::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, given, why, sizeof why);
  if (made == nullptr) {
    rd_kafka_conf_destroy(given);  // else it is the client's
    return why;
  }
  rd_kafka_destroy(made);
  return {};
}

}  // namespace

namespace {

// The port may be missing; an IPv6 address stands in brackets. librdkafka takes 99999 for 34463, and a URL's rest for a port.
bool is_host_and_port(std::string_view broker) {
  if (broker.empty() || broker.find_first_of(", \t/") != std::string_view::npos) return false;
  const auto host_end = broker.starts_with('[') ? broker.find(']') : broker.find(':');
  if (host_end == 0 || (broker.starts_with('[') && host_end == std::string_view::npos)) return false;
  const auto colon = broker.find(':', broker.starts_with('[') ? host_end : 0);
  if (colon == std::string_view::npos) return true;
  const auto port = broker.substr(colon + 1);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && end == port.data() + port.size() && number >= 1 && number <= 65'535;
}

}  // namespace

void check_brokers(config::StructReader& reader, const std::vector<std::string>& brokers) {
  if (brokers.empty()) reader.problem("brokers", "expected at least one broker, such as [kafka-1:9092]");
  for (const auto& broker : brokers) {
    if (is_host_and_port(broker)) continue;
    const auto protocol_end = broker.find("://");
    std::string how;
    if (protocol_end != std::string::npos) {
      std::string protocol = broker.substr(0, protocol_end);
      std::ranges::transform(protocol, protocol.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      how = fmt::format("; how to speak to it is said once, by `client: {{security.protocol: {}}}`", protocol);
    }
    reader.problem("brokers", fmt::format("expected host:port, got '{}'{}", broker, how));
  }
}

Settings connection(const std::vector<std::string>& brokers) {
  return {{"bootstrap.servers", fmt::format("{}", fmt::join(brokers, ","))},
          {"client.id", "penstock"},
          {"statistics.interval.ms", "5000"}};
}

bool is_for(std::string_view name, Role role) {
  const auto known = properties().find(name);
  return known != properties().end() && (known->second == '*' || known->second == (role == Role::producer ? 'P' : 'C'));
}

void check_client(config::StructReader& reader, std::string_view field, const Settings& client, Role role,
                  const Settings& ours, std::span<const Owned> owned) {
  const Configuration scratch(rd_kafka_conf_new());
  bool ok = true;
  for (const auto& entry : client) {
    const bool secret = is_secret(reader, field, entry.first);
    auto problem = problem_of(entry, secret, role == Role::producer ? 'P' : 'C', owned, scratch.get());
    if (!problem) continue;
    ok = false;
    reader.problem_in(field, entry.first, std::move(*problem));
  }
  for (auto& [name, text] : token_problems(client)) {
    ok = false;
    if (name.empty()) reader.problem(field, std::move(text));
    else reader.problem_in(field, name, std::move(text));
  }
  // A client with Kerberos runs a command as soon as it is made: that is nothing to do in a check.
  if (!ok || sasl_mechanism(client) == "GSSAPI") return;
  if (const auto why = contradiction(client, role, ours); !why.empty()) reader.problem(field, without_end(why));
}

}  // namespace penstock::kafka
