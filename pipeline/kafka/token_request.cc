#include "pipeline/kafka/token_request.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace penstock::kafka {
namespace {

using simdjson::dom::element;

// A token lives for minutes or hours. What is longer is cut, so that sums with it stay numbers.
constexpr double kLongestLife = 10.0 * 366 * 24 * 3600;  // seconds
constexpr Duration kTimeout{10'000};
constexpr std::size_t kCodeLongest = 60;

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~").contains(c);
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::optional<std::string> from_base64url(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0 || padding > 2) return std::nullopt;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

// A number, or a number in quotes, as some endpoints have it.
std::optional<double> seconds_in(const element& object, std::string_view key) {
  double number = 0;
  std::string_view text;
  if (object[key].get(number) == simdjson::SUCCESS) return number;
  if (object[key].get(text) != simdjson::SUCCESS || text.empty()) return std::nullopt;
  const bool digits = text.size() < 16 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional(std::stod(std::string(text))) : std::nullopt;
}

// What stands in the token itself, if it is a JWT.
std::optional<double> expiry_in(std::string_view token) {
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto payload = from_base64url(std::string(token.substr(first + 1, second - first - 1)));
  simdjson::dom::parser parser;
  element claims;
  if (!payload || parser.parse(*payload).get(claims) != simdjson::SUCCESS) return std::nullopt;
  return seconds_in(claims, "exp");
}

// Without user, path and query, which may be secrets.
std::string host_of(std::string_view url) {
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto user = url.rfind('@'); user != std::string_view::npos) url.remove_prefix(user + 1);
  return std::string(url);
}

std::unexpected<Error> none(std::string_view why) {
  return fail(ErrorKind::unavailable, fmt::format("{}{}", kNoToken, why));
}

// " (invalid_client)": of the codes of RFC 6749, which are of such letters; else nothing.
std::string code_in(const std::string& body) {
  simdjson::dom::parser parser;
  element answer;
  std::string_view code;
  if (parser.parse(body).get(answer) != simdjson::SUCCESS || answer["error"].get(code) != simdjson::SUCCESS) return {};
  const bool plain = !code.empty() && code.size() <= kCodeLongest &&
                     std::ranges::all_of(code, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  return plain ? fmt::format(" ({})", code) : std::string();
}

std::string refusal(const HttpReply& reply, const std::string& host) {
  const auto code = code_in(reply.body);
  if (reply.status == 401 || code == " (invalid_client)") {
    return fmt::format("{} does not know this sasl.oauthbearer.client.id with this secret: it answered {}{}", host,
                       reply.status, code);
  }
  std::string_view advice;
  if (reply.status >= 300 && reply.status < 400) advice = ", and redirects are not followed: set the final address";
  if (reply.status == 404) advice = "; correct sasl.oauthbearer.token.endpoint.url";
  if (code == " (invalid_scope)") advice = "; correct sasl.oauthbearer.scope";
  return fmt::format("{} answered {}{}{}", host, reply.status, code, advice);
}

}  // namespace

HttpRequest token_request(const TokenSettings& settings) {
  HttpRequest request{.url = settings.endpoint, .timeout = kTimeout};
  const auto who = percent_encoded(settings.client_id) + ":" + percent_encoded(settings.client_secret);
  request.headers = {{"Authorization", "Basic " + base64(who)},
                     {"Accept", "application/json"},
                     {"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = "grant_type=client_credentials";
  if (!settings.scope.empty()) request.body += "&scope=" + percent_encoded(settings.scope);
  return request;
}

Result<Token> token_of(const Result<HttpReply>& reply, const TokenSettings& settings, Timestamp asked, Timestamp now) {
  if (!reply) return none(reply.error().message);
  const auto host = host_of(settings.endpoint);
  if (reply->status < 200 || reply->status >= 300) return none(refusal(*reply, host));
  simdjson::dom::parser parser;
  element answer;
  std::string_view value;
  if (reply->truncated || parser.parse(reply->body).get(answer) != simdjson::SUCCESS ||
      answer["access_token"].get(value) != simdjson::SUCCESS || value.empty()) {
    return none(fmt::format("{} answered {}, but not with an access_token in JSON", host, reply->status));
  }
  Token token{.value = std::string(value), .made = asked, .expires = {}};
  if (const auto life = seconds_in(answer, "expires_in")) {
    token.expires = Timestamp{asked.ms + static_cast<std::int64_t>(std::clamp(*life, 0.0, kLongestLife) * 1000)};
  } else if (const auto expiry = expiry_in(value)) {
    const double most = static_cast<double>(now.ms) / 1000 + kLongestLife;
    token.expires = Timestamp{static_cast<std::int64_t>(std::clamp(*expiry, 0.0, most) * 1000)};
  } else {
    return none(fmt::format("{} says not how long its token is good, neither by expires_in nor in the token", host));
  }
  if (token.expires <= now)
    return none(fmt::format("the one from {} has expired already; see the clocks of both machines", host));
  return token;
}

}  // namespace penstock::kafka
