#pragma once
// What `sasl.mechanism: OAUTHBEARER` is told: where tokens come from. The names are librdkafka's and stand in `client:` among its
// settings, but are taken out before it sees them: whether a librdkafka can fetch tokens, or knows the names, depends on how it was
// built, so tokens are fetched here (token_fetcher.h). Pure functions; any thread.

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/kafka/client_settings.h"

namespace penstock::kafka {

struct TokenSettings {
  std::string endpoint;
  std::string client_id;
  std::string client_secret;
  std::string scope;
  std::string ca_file;  // for the endpoint; empty: the system's
  friend auto operator<=>(const TokenSettings&, const TokenSettings&) = default;
};

// Names of settings that are never librdkafka's to read. A closed list.
const std::vector<std::string_view>& token_names();
bool is_of_tokens(std::string_view name);

// Of those that are set together; empty when no SASL is used.
std::string sasl_mechanism(const Settings& settings);
// Nothing when the client needs no tokens, or makes them itself (enable.sasl.oauthbearer.unsecure.jwt).
std::optional<TokenSettings> tokens_for(const Settings& settings);
// Names and values by turns, as librdkafka takes them.
std::vector<std::string> token_extensions(const Settings& settings);

// What is wrong with them, each with the name of the setting that it is about; the name is empty when one is missing.
std::vector<std::pair<std::string, std::string>> token_problems(const Settings& settings);

}  // namespace penstock::kafka
