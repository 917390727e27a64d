#include "pipeline/scripting/library/url_text.h"

#include <boost/url/src.hpp>

#include <algorithm>
#include <charconv>

namespace penstock::scripting {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that stands at `place` as %xx, or -1.
int escaped_byte(std::string_view text, std::size_t place) {
  if (text[place] != '%' || place + 2 >= text.size()) return -1;
  const int high = hex_value(text[place + 1]);
  const int low = hex_value(text[place + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

bool is_legal(char c) { return is_unreserved(c) || std::string_view("!$&'()*+,;=:@/?").find(c) != std::string_view::npos; }

std::size_t authority_end(std::string_view text) {
  const auto slashes = text.find("//");
  const bool authority = slashes == 0 || (slashes != std::string_view::npos && text[slashes - 1] == ':' &&
                                          text.find_first_of("/?#") == slashes);
  return std::min(text.find_first_of("/?#", authority ? slashes + 2 : 0), text.size());
}

// The same text with a letter in place of each byte that the grammar has no room for, so that all parts stay where they are.
std::string strict_shape(std::string_view text) {
  std::string shape(text);
  const std::size_t end = authority_end(text);
  const std::size_t hash = std::min(text.find('#'), text.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    char& c = shape[i];
    const bool free = i >= end && i != hash;
    if (static_cast<unsigned char>(c) >= 0x80 || (free && !is_legal(c) && escaped_byte(text, i) < 0)) c = 'x';
  }
  return shape;
}

std::optional<int> to_port(std::string_view digits) {
  int port = -1;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || port > 65535) return std::nullopt;
  return port;
}

void append_escape(std::string& out, char c) {
  out += '%';
  out += kDigits[static_cast<unsigned char>(c) >> 4];
  out += kDigits[static_cast<unsigned char>(c) & 15];
}

}  // namespace

std::optional<UrlParts> split_url(std::string_view text) {
  const std::string shape = strict_shape(text);
  const auto parsed = boost::urls::parse_uri_reference(boost::urls::string_view(shape.data(), shape.size()));
  if (!parsed) return std::nullopt;
  const auto part = [&](auto piece) {
    if (piece.empty()) return text.substr(0, 0);
    return text.substr(static_cast<std::size_t>(piece.data() - shape.data()), piece.size());
  };
  UrlParts parts;
  if (parsed->has_scheme()) parts.scheme = part(parsed->scheme());
  parts.path = part(parsed->encoded_path());
  if (parsed->has_query()) parts.query = part(parsed->encoded_query());
  if (parsed->has_fragment()) parts.fragment = part(parsed->encoded_fragment());
  if (!parsed->has_authority()) return parts;
  if (!parts.path.empty() && parts.path.front() != '/') return std::nullopt;  // "http://a:80:80", which Boost 1.81 lets pass
  if (parsed->has_userinfo()) {
    parts.user = part(parsed->encoded_user());
    if (parsed->has_password()) parts.password = part(parsed->encoded_password());
  }
  parts.host = part(parsed->encoded_host());
  if (parts.host->starts_with('[')) parts.host = parts.host->substr(1, parts.host->size() - 2);
  if (!parsed->has_port() || parsed->port().empty()) return parts;
  parts.port = to_port(part(parsed->port()));
  return parts.port ? std::optional(parts) : std::nullopt;
}

void append_decoded(std::string& out, std::string_view text, bool plus_is_space) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const int byte = escaped_byte(text, i); byte >= 0) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
}

void append_encoded(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_unreserved(c)) out += c;
    else append_escape(out, c);
  }
}

void append_kept(std::string& out, std::string_view text, std::string_view ends) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || ends.find(c) != std::string_view::npos) append_escape(out, c);
    else out += c;
  }
}

}  // namespace penstock::scripting
