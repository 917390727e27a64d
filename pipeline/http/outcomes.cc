#include "pipeline/http/outcomes.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace penstock::http {
namespace {

constexpr std::size_t kExcerptMax = 200;
constexpr Duration kRetryAfterMax{std::chrono::hours(1)};

bool is_rejection(int status) { return status == 400 || status == 409 || status == 413 || status == 422; }

std::string_view advice(int status) {
  if (status >= 300 && status < 400) return " (redirects are not followed: use the final address)";
  if (status == 401 || status == 403) return " (check the token)";
  if (status == 404) return " (check the address)";
  return "";
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Length of the valid UTF-8 sequence at the front, 0 when there is none. Overlong forms and surrogates are not valid.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

Duration clamped(std::int64_t ms) { return Duration(std::clamp<std::int64_t>(ms, 0, kRetryAfterMax.count())); }

}  // namespace

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const auto length = utf8_length(text);
    const bool control = length == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7F);
    const auto piece = length == 0 ? std::string_view("?") : control ? std::string_view(" ") : text.substr(0, length);
    if (out.size() + piece.size() > bytes_max) return out + "…";
    if (!(piece == " " && (out.empty() || out.back() == ' '))) out += piece;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::optional<Duration> parse_retry_after(std::string_view value, Timestamp now) {
  value = trimmed(value);
  if (value.empty()) return std::nullopt;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (std::all_of(value.begin(), value.end(), is_digit)) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (error != std::errc() || seconds > kRetryAfterMax.count()) return kRetryAfterMax;  // digits, but very many
    return clamped(seconds * 1000);
  }
  // curl reads the three forms of RFC 9110 and much else; a date of ours has a day's name, a comma or not, and a time.
  const bool dated = value.size() >= 24 && value.size() <= 40 && !is_digit(value[0]) && value.find(':') != value.npos;
  if (!dated) return std::nullopt;
  const auto when = curl_getdate(std::string(value).c_str(), nullptr);
  if (when < 0) return std::nullopt;
  if (when > (now.ms + kRetryAfterMax.count()) / 1000) return kRetryAfterMax;  // a year of nine digits is read, too
  return clamped(static_cast<std::int64_t>(when) * 1000 - now.ms);
}

Outcome outcome_of(const HttpReply& reply, std::string_view host, Timestamp now) {
  if (reply.status >= 200 && reply.status < 300) return Outcome::delivered();
  Outcome outcome;
  outcome.kind = is_rejection(reply.status) ? Outcome::Kind::rejected : Outcome::Kind::unavailable;
  outcome.code = fmt::format("http_{}", reply.status);
  outcome.reason = fmt::format("{} from {}{}", reply.status, host, advice(reply.status));
  if (const auto excerpt = printable(reply.body, kExcerptMax); !excerpt.empty()) outcome.reason += ": " + excerpt;
  if (outcome.kind == Outcome::Kind::unavailable) {
    outcome.limited = reply.status == 429;
    if (const auto* after = reply.header("retry-after")) outcome.retry_after = parse_retry_after(*after, now);
  }
  return outcome;
}

Outcome outcome_of(const Error& error) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::unavailable;
  outcome.code = error.kind == ErrorKind::limit ? "timeout" : error.kind == ErrorKind::stopped ? "stopped" : "network";
  outcome.reason = error.message;
  return outcome;
}

}  // namespace penstock::http
