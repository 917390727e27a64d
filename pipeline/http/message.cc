#include "pipeline/http/message.h"

#include <fmt/core.h>

#include <algorithm>

#include "pipeline/event/json.h"

namespace penstock::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// '+' is a space in queries only.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail(ErrorKind::invalid, "the request's address has a '%' without two hex digits");
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

Result<void> read_query(std::string_view query, ServerRequest& request) {
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    TRY_ASSIGN(auto name, percent_decode(pair.substr(0, equals), true));
    TRY_ASSIGN(auto value, percent_decode(pair.substr(std::min(pair.size(), equals + 1)), true));
    request.query.emplace_back(std::move(name), std::move(value));
  }
  return {};
}

}  // namespace

const std::string* ServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

const std::string* ServerRequest::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

ServerReply error_reply(int status, std::string_view message) {
  ServerReply reply{.status = status, .body = "{\"error\": "};
  json::append_string(reply.body, message);
  reply.body += "}\n";
  return reply;
}

Result<void> read_target(std::string_view target, ServerRequest& request) {
  // A proxy's form: "http://host/path".
  if (const auto scheme = target.find("://"); scheme != target.npos && !target.starts_with('/')) {
    const auto path = target.find_first_of("/?", scheme + 3);
    target = path == target.npos ? std::string_view("/") : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  const auto question = std::min(target.find('?'), target.size());
  TRY_ASSIGN(request.path, percent_decode(target.substr(0, question), false));
  if (request.path.empty()) request.path = "/";
  if (request.path[0] != '/' && request.path != "*") {
    return fail(ErrorKind::invalid, "the request's address does not begin with '/'");
  }
  return read_query(target.substr(std::min(target.size(), question + 1)), request);
}

std::optional<std::string_view> bearer_token(const ServerRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const auto* value = request.header("authorization");
  if (value == nullptr || !equal_ignoring_case(std::string_view(*value).substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  std::string_view token = std::string_view(*value).substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  while (token.ends_with(' ')) token.remove_suffix(1);
  return token;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference =
        static_cast<unsigned char>(difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

}  // namespace penstock::http
