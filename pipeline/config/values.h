#pragma once
// Value types of settings beyond bool, int, double, string, Bytes and milliseconds.

#include <string>
#include <string_view>
#include <utility>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"

namespace penstock::config {

// "100/s", "5/m", "1000/h". Per second, whatever was written.
struct Rate {
  double per_second = 0;
  friend constexpr auto operator<=>(Rate, Rate) = default;
};

// A text that is never printed: `***` in every message, dump and schema example.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string text_;
};

// An http:// or https:// address, checked when read. May hold a secret (a token in its path or user part), so messages use
// `host()` only.
class Url {
 public:
  Url() = default;
  explicit Url(std::string text) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }
  std::string_view host() const;  // "crm.example:8443", without user, path and query
  friend bool operator==(const Url&, const Url&) = default;

 private:
  std::string text_;
};

// "host:port" to listen on; port 0 means any free one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  int port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

}  // namespace penstock::config
