#include "pipeline/kafka/client_settings.h"

#include <doctest/doctest.h>

#include <array>

#include "pipeline/config/document.h"
#include "pipeline/config/fields.h"

using namespace penstock;
using kafka::Role;

namespace {

constexpr std::array kOwned{kafka::Owned{"acks", "set `durable` instead"}};

// What is wrong with `client: { … }`, without the file's name; empty: nothing.
std::string problems_of(const std::string& client, const config::Lookup& lookup = {}, Role role = Role::producer) {
  auto document = config::parse_document("client: { " + client + " }\n", "p.yaml", lookup);
  config::StructReader reader(document.root, "out", document.problems);
  kafka::Settings settings;
  for (const auto& [name, at, value] : reader.find("client")->entries) settings.emplace_back(name, value.text);
  kafka::check_client(reader, "client", settings, role, {{"enable.idempotence", role == Role::producer ? "true" : "false"}},
                      kOwned);
  std::string all;
  for (const auto& problem : document.problems) all += problem.to_string() + "\n";
  return all;
}

}  // namespace

TEST_CASE("settings that librdkafka knows pass, also under their other names and those of topics") {
  CHECK(problems_of("linger.ms: 20, queue.buffering.max.ms: 5, socket.keepalive.enable: true, batch.size: 1000") == "");
  CHECK(problems_of("partitioner: consistent") == "");
  CHECK(problems_of("security.protocol: SASL_PLAINTEXT, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: p") == "");
}

TEST_CASE("what it does not know is named with the nearest that it does") {
  CHECK(problems_of("linger.m: 20") ==
        "p.yaml:1:11: out.client: librdkafka has no setting 'linger.m', did you mean 'linger.ms'?\n");
  CHECK(problems_of("frobnicate: 1") == "p.yaml:1:11: out.client: librdkafka has no setting 'frobnicate'\n");
  CHECK(problems_of("ack: 1") ==
        "p.yaml:1:11: out.client: librdkafka has no setting 'ack', and 'acks' cannot be set here: set `durable` instead\n");
}

TEST_CASE("values that it refuses are told in its words, each at its place") {
  const auto both = problems_of("linger.ms: -5, security.protocol: tls");
  CHECK(both.contains("p.yaml:1:11: out.client: Configuration property \"queue.buffering.max.ms\" value -5 is outside"));
  CHECK(both.contains("p.yaml:1:26: out.client: Invalid value \"tls\" for configuration property \"security.protocol\""));
}

TEST_CASE("a value that is a secret is not told") {
  const config::Lookup lookup{.env = [](const std::string&) { return std::optional<std::string>("hunter2"); },
                              .read_file = {}};
  const auto told = problems_of("security.protocol: \"${env:WRONG}\"", lookup);
  CHECK(told.contains("librdkafka refuses the value of 'security.protocol'"));
  CHECK_FALSE(told.contains("hunter2"));
}

TEST_CASE("what the component decides, what nobody may set, and what is for the other role are refused with the reason") {
  CHECK(problems_of("acks: 1").contains("'acks' cannot be set here: set `durable` instead"));
  CHECK(problems_of("plugin.library.paths: x.so").contains("no foreign code is loaded into this process"));
  CHECK(problems_of("fetch.min.bytes: 1").contains("'fetch.min.bytes' is a setting of consumers"));
  CHECK(problems_of("linger.ms: 1", {}, Role::consumer).contains("'linger.ms' is a setting of producers"));
  CHECK(problems_of("dr_cb: x").contains("must be set through dedicated"));
}

TEST_CASE("tokens need an endpoint and who asks it, under librdkafka's names, or librdkafka's own that nobody signed") {
  const std::string login = "security.protocol: SASL_SSL, sasl.mechanism: OAUTHBEARER";
  const std::string who = ", sasl.oauthbearer.client.id: p, sasl.oauthbearer.client.secret: s";
  const std::string endpoint = ", sasl.oauthbearer.token.endpoint.url: \"https://id.example/token\"";
  CHECK(problems_of(login + who + endpoint) == "");
  CHECK(problems_of(
            login + who + endpoint +
            ", sasl.oauthbearer.method: oidc, sasl.oauthbearer.scope: kafka, sasl.oauthbearer.extensions: \"a=1,b=2\", "
            "https.ca.location: ca.pem") == "");
  CHECK(problems_of(login) ==
        "p.yaml:1:9: out.client: sasl.mechanism OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url\n"
        "p.yaml:1:9: out.client: sasl.mechanism OAUTHBEARER needs sasl.oauthbearer.client.id\n"
        "p.yaml:1:9: out.client: sasl.mechanism OAUTHBEARER needs sasl.oauthbearer.client.secret\n");
  CHECK(problems_of(login + who + ", sasl.oauthbearer.token.endpoint.url: id.example")
            .contains("expected the http or https URL"));
  CHECK(problems_of(login + who + endpoint + ", sasl.oauthbearer.method: other").contains("expected oidc"));
  CHECK(problems_of(login + who + endpoint + ", sasl.oauthbearer.extensions: auth=1").contains("expected name=value"));
  CHECK(problems_of("sasl.oauthbearer.scope: x").contains("'sasl.oauthbearer.scope' needs sasl.mechanism: OAUTHBEARER"));
  const std::string unsecured = ", enable.sasl.oauthbearer.unsecure.jwt: true, sasl.oauthbearer.config: \"principal=p\"";
  CHECK(problems_of(login + unsecured) == "");
  CHECK(problems_of(login + unsecured + who).contains("exclude each other"));
  CHECK(problems_of("sasl.oauthbearer.client.idd: x").contains("did you mean 'sasl.oauthbearer.client.id'?"));
}

TEST_CASE("settings that do not fit together are found, and files that cannot be read") {
  CHECK(problems_of("max.in.flight: 10").contains("`max.in.flight` must be set <= 5"));
  CHECK(problems_of("security.protocol: ssl, ssl.ca.location: /nowhere/ca.pem").contains("ssl.ca.location failed"));
  CHECK_FALSE(problems_of("security.protocol: ssl, ssl.ca.location: /nowhere/ca.pem").contains("\n\n"));
}

TEST_CASE("a port is one") {
  const auto refused = [](const std::string& broker) {
    auto document = config::parse_document("brokers: []\n", "p.yaml", {});
    config::StructReader reader(document.root, "out", document.problems);
    kafka::check_brokers(reader, {broker});
    return !document.problems.empty();
  };
  for (const auto* good : {"k1", "k1:9092", "127.0.0.1:1", "[::1]:65535", "[::1]"}) CHECK_MESSAGE(!refused(good), good);
  for (const auto* bad : {"k1:99999", "k1:0", "k1:", "k1:x", "http://k1:9092", ":9092", "[::1"})
    CHECK_MESSAGE(refused(bad), bad);
}

TEST_CASE("brokers are host:port each, in one place for all") {
  const auto problems_with = [](const std::vector<std::string>& brokers) {
    auto document = config::parse_document("brokers: []\n", "p.yaml", {});
    config::StructReader reader(document.root, "out", document.problems);
    kafka::check_brokers(reader, brokers);
    std::string all;
    for (const auto& problem : document.problems) all += problem.to_string() + "\n";
    return all;
  };
  CHECK(problems_with({"k1:9092", "k2"}) == "");
  CHECK(problems_with({}) == "p.yaml:1:10: out.brokers: expected at least one broker, such as [kafka-1:9092]\n");
  CHECK(problems_with({"k1,k2", ""}) ==
        "p.yaml:1:10: out.brokers: expected host:port, got 'k1,k2'\np.yaml:1:10: out.brokers: expected host:port, got ''\n");
  CHECK(problems_with({"SSL://k1:9093"}) ==
        "p.yaml:1:10: out.brokers: expected host:port, got 'SSL://k1:9093'; how to speak to it is said once, by `client: "
        "{security.protocol: ssl}`\n");
  CHECK(problems_of("bootstrap.servers: k1").contains("'bootstrap.servers' cannot be set here: set `brokers` instead"));
  CHECK(problems_of("bootstrap.server: k1") ==
        "p.yaml:1:11: out.client: librdkafka has no setting 'bootstrap.server', and 'bootstrap.servers' cannot be set here: "
        "set "
        "`brokers` instead\n");
  CHECK(kafka::connection({"k1:9092", "k2"})[0] == std::pair<std::string, std::string>("bootstrap.servers", "k1:9092,k2"));
}
