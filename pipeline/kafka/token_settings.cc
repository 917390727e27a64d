#include "pipeline/kafka/token_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace penstock::kafka {
namespace {

constexpr std::string_view kMethod = "sasl.oauthbearer.method";
constexpr std::string_view kEndpoint = "sasl.oauthbearer.token.endpoint.url";
constexpr std::string_view kId = "sasl.oauthbearer.client.id";
constexpr std::string_view kSecret = "sasl.oauthbearer.client.secret";
constexpr std::string_view kScope = "sasl.oauthbearer.scope";
constexpr std::string_view kExtensions = "sasl.oauthbearer.extensions";
constexpr std::string_view kAuthority = "https.ca.location";
constexpr std::string_view kUnsecured = "enable.sasl.oauthbearer.unsecure.jwt";

// A later one wins.
std::string value_of(const Settings& settings, std::string_view name) {
  const auto backwards = settings | std::views::reverse;
  const auto found = std::ranges::find_if(backwards, [&](const auto& each) { return each.first == name; });
  return found == backwards.end() ? "" : found->second;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// RFC 7628: a name is of letters, and `auth` is taken; a value is of printable characters.
bool is_extension(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  const auto name = text.substr(0, equals);
  const auto value = text.substr(equals + 1);
  return name != "auth" && std::ranges::all_of(name, is_letter) &&
         std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (const auto part : text | std::views::split(',')) parts.emplace_back(part.begin(), part.end());
  return text.empty() ? std::vector<std::string>() : parts;
}

bool is_url(std::string_view text) {
  const auto scheme = text.find("://");
  const bool http = text.starts_with("http://") || text.starts_with("https://");
  return http && text.size() > scheme + 3 && text[scheme + 3] != '/' && text.find_first_of(" \t\r\n") == text.npos;
}

bool makes_its_own(const Settings& settings) { return value_of(settings, kUnsecured) == "true"; }

}  // namespace

const std::vector<std::string_view>& token_names() {
  static const std::vector<std::string_view> all{kMethod, kEndpoint, kId, kSecret, kScope, kExtensions, kAuthority};
  return all;
}

bool is_of_tokens(std::string_view name) { return std::ranges::find(token_names(), name) != token_names().end(); }

std::string sasl_mechanism(const Settings& settings) {
  auto protocol = value_of(settings, "security.protocol");
  std::ranges::transform(protocol, protocol.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (!protocol.starts_with("sasl")) return {};
  const auto mechanism = value_of(settings, "sasl.mechanisms") + value_of(settings, "sasl.mechanism");
  return mechanism.empty() ? "GSSAPI" : mechanism;
}

std::optional<TokenSettings> tokens_for(const Settings& settings) {
  if (sasl_mechanism(settings) != "OAUTHBEARER" || makes_its_own(settings)) return std::nullopt;
  return TokenSettings{.endpoint = value_of(settings, kEndpoint),
                       .client_id = value_of(settings, kId),
                       .client_secret = value_of(settings, kSecret),
                       .scope = value_of(settings, kScope),
                       .ca_file = value_of(settings, kAuthority)};
}

std::vector<std::string> token_extensions(const Settings& settings) {
  std::vector<std::string> all;
  for (const auto& each : split(value_of(settings, kExtensions))) {
    const auto equals = each.find('=');
    all.push_back(each.substr(0, equals));
    all.push_back(equals == std::string::npos ? "" : each.substr(equals + 1));
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> token_problems(const Settings& settings) {
  std::vector<std::pair<std::string, std::string>> problems;
  const auto note = [&](std::string_view name, std::string text) { problems.emplace_back(name, std::move(text)); };
  const bool by_tokens = sasl_mechanism(settings) == "OAUTHBEARER";
  for (const auto& [name, value] : settings) {
    if (!is_of_tokens(name)) continue;
    if (!by_tokens)
      note(name,
           fmt::format("'{}' needs sasl.mechanism: OAUTHBEARER, and security.protocol: sasl_ssl or sasl_plaintext", name));
    else if (makes_its_own(settings)) note(name, fmt::format("'{}' and {} exclude each other", name, kUnsecured));
    else if (name == kEndpoint && !is_url(value))
      note(name, fmt::format("'{}': expected the http or https URL of a token endpoint", name));
    else if (name == kMethod && value != "default" && value != "oidc") note(name, fmt::format("'{}': expected oidc", name));
    else if (name == kExtensions && !std::ranges::all_of(split(value), is_extension))
      note(name,
           fmt::format("'{}': expected name=value, separated by commas; names are of letters, and none is `auth`", name));
  }
  if (!tokens_for(settings)) return problems;
  for (const auto name : {kEndpoint, kId, kSecret}) {
    if (value_of(settings, name).empty()) note("", fmt::format("sasl.mechanism OAUTHBEARER needs {}", name));
  }
  return problems;
}

}  // namespace penstock::kafka
