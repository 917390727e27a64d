#pragma once
// URLs as people and browsers write them. The only file that knows Boost.URL.

#include <optional>
#include <string>
#include <string_view>

namespace penstock::scripting {

// The parts of a URL as they stand in its text, of which they are views. What is not there is nullopt; the path always is.
struct UrlParts {
  std::optional<std::string_view> scheme;
  std::optional<std::string_view> user;
  std::optional<std::string_view> password;
  std::optional<std::string_view> host;  // without the brackets of an IPv6 address; "" in file:///x
  std::optional<int> port;
  std::string_view path;
  std::optional<std::string_view> query;
  std::optional<std::string_view> fragment;
};

// By RFC 3986, absolute or relative. More than that passes, because browsers send it: any bytes in path, query and fragment
// (spaces, brackets, '|', a '%' that begins no escape, UTF-8), and UTF-8 in the host. nullopt: it is no URL even so.
std::optional<UrlParts> split_url(std::string_view text);

// Percent-coding. Decoding leaves a '%' alone that is not followed by two hexadecimal digits.
void append_decoded(std::string& out, std::string_view text, bool plus_is_space = false);
// Everything but letters, digits and "-._~" is coded.
void append_encoded(std::string& out, std::string_view text);
// For a part that may be coded already: codes only control characters, spaces and those in `ends`, which would end the part.
void append_kept(std::string& out, std::string_view text, std::string_view ends);

}  // namespace penstock::scripting
