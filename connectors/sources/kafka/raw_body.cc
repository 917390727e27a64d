#include "connectors/sources/kafka/raw_body.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "pipeline/event/json.h"
#include "pipeline/event/timestamps.h"

namespace penstock::sources::kafka {
namespace {

// RFC 4648.
void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + k])) : 0U;
    };
    const std::uint32_t three = at(0) << 16 | at(1) << 8 | at(2);
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[three >> (18 - 6 * k) & 63U] : '=';
  }
}

void append_text(std::string& out, std::optional<std::string_view> bytes) {
  if (!bytes) {
    out += "null";
  } else if (simdjson::validate_utf8(bytes->data(), bytes->size())) {
    json::append_string(out, *bytes);
  } else {
    out += R"({"base64":")";
    append_base64(out, *bytes);
    out += R"("})";
  }
}

}  // namespace

void append_raw_body(std::string& out, const penstock::kafka::TopicPartition& at, const penstock::kafka::Received& message) {
  fmt::format_to(std::back_inserter(out), R"({{"topic":"{}","partition":{},"offset":{},"timestamp":)", at.topic,
                 at.partition, message.offset());
  if (message.timestamp().ms < 0) {
    out += "null";
  } else {
    json::append_string(out, format_timestamp(message.timestamp()));
  }
  out += R"(,"key":)";
  append_text(out, message.key());
  out += R"(,"headers":[)";
  bool first = true;
  for (const auto& [name, value] : message.headers()) {
    out += first ? "[" : ",[";
    first = false;
    append_text(out, name);
    out += ',';
    append_text(out, value);
    out += ']';
  }
  out += R"(],"value":)";
  append_text(out, message.value());
  out += '}';
}

}  // namespace penstock::sources::kafka
