// links: sources_http http
// Any bytes as a request, by the server's own parser, and any bytes as a body: decompressed, split into records. Whatever
// they are, there is a value or an error in words; records lie inside the text, in order, and within the limits.
//
// The first byte chooses: 'r' a raw request, 'j' a body of JSON, 'n' a body of lines, 'd' a body that is said to be deflate.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sources/http/body.h"
#include "pipeline/http/content_encoding.h"
#include "pipeline/http/outcomes.h"
#include "pipeline/http/server.h"

using namespace penstock;
using namespace penstock::sources::http;

namespace {

constexpr std::size_t kEventsMax = 100;
constexpr Bytes kPlainMax = 64_KiB;

void require(bool condition) {
  if (!condition) std::abort();
}

void split(std::string text, BodyKind kind) {
  static json::Validator validator;
  auto split = split_body(std::move(text), kind, kEventsMax, validator);
  if (!split) return require(!split.error().message.empty());
  const PushedRecords records = *std::move(split);
  require(records.bodies.size() <= kEventsMax);
  const char* at = records.text.data();
  const char* const end = at + records.text.size();
  for (const auto body : records.bodies) {
    require(!body.empty() && body.data() >= at && body.data() + body.size() <= end);
    at = body.data() + body.size();
  }
}

void take_body(std::string_view bytes, http::Encoding encoding, BodyKind kind) {
  auto plain = http::inflate(bytes, encoding, kPlainMax);
  if (!plain) return require(!plain.error().message.empty());
  require(plain->size() <= kPlainMax.count);
  split(*std::move(plain), kind);
}

void take_request(std::string_view bytes) {
  static const http::HttpServerOptions options{.body_max = kPlainMax};
  auto request = http::parse_request(bytes, options);
  if (!request) return require(!request.error().message.empty());
  require(request->path.starts_with('/') || request->path == "*");
  require(request->body.size() <= kPlainMax.count);
  (void)http::bearer_token(*request);
  const auto* type = request->header("content-type");
  split(std::move(request->body), body_kind(type == nullptr ? "" : *type));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'r': take_request(bytes); break;
    case 'j': take_body(bytes, http::encoding_from_magic(bytes), BodyKind::json); break;
    case 'n': take_body(bytes, http::encoding_from_magic(bytes), BodyKind::ndjson); break;
    case 'd': take_body(bytes, http::Encoding::deflate, BodyKind::json); break;
    default:
      require(http::printable(bytes, 200).size() <= 203);
      (void)http::parse_retry_after(bytes, Timestamp{1'785'578'400'000});
  }
  return 0;
}
