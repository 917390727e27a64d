#pragma once
// Sends events to an HTTP address: a batch as one request, or each event as its own.
//
// What an answer means is the table in pipeline/http/outcomes.h. Formats of many events get one outcome for all of them;
// `single` gets one per event, a few requests at a time (never two of one distinct id, so their order holds), and stops at
// the first answer that is not about the event but about the receiver: the rest of the batch then has the same outcome,
// untried.

#include <array>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/config/fields.h"
#include "pipeline/ports/destination.h"
#include "pipeline/ports/http_client.h"
#include "pipeline/registry/registry.h"

namespace penstock::destinations::webhook {

enum class Method : std::uint8_t { post, put, patch };
enum class Format : std::uint8_t { json_array, ndjson, single };
enum class Body : std::uint8_t { body, envelope };
enum class Compression : std::uint8_t { none, gzip, zstd };

}  // namespace penstock::destinations::webhook

template <>
struct penstock::config::enum_names<penstock::destinations::webhook::Method> {
  using Method = penstock::destinations::webhook::Method;
  static constexpr std::array names{std::pair{"POST", Method::post}, std::pair{"PUT", Method::put},
                                    std::pair{"PATCH", Method::patch}};
};
template <>
struct penstock::config::enum_names<penstock::destinations::webhook::Format> {
  using Format = penstock::destinations::webhook::Format;
  static constexpr std::array names{std::pair{"json_array", Format::json_array}, std::pair{"ndjson", Format::ndjson},
                                    std::pair{"single", Format::single}};
};
template <>
struct penstock::config::enum_names<penstock::destinations::webhook::Body> {
  using Body = penstock::destinations::webhook::Body;
  static constexpr std::array names{std::pair{"body", Body::body}, std::pair{"envelope", Body::envelope}};
};
template <>
struct penstock::config::enum_names<penstock::destinations::webhook::Compression> {
  using Compression = penstock::destinations::webhook::Compression;
  static constexpr std::array names{std::pair{"none", Compression::none}, std::pair{"gzip", Compression::gzip},
                                    std::pair{"zstd", Compression::zstd}};
};

namespace penstock::destinations::webhook {

class WebhookDestination final : public Destination {
 public:
  struct Config {
    config::Url url;
    Method method = Method::post;
    Format format = Format::json_array;
    Body body = Body::body;
    config::StringMap headers;
    config::Secret token;
    Compression compression = Compression::none;
    Duration timeout{5000};

    static constexpr auto fields() {
      using config::field;
      using config::Need;
      using config::range;
      return std::tuple{
          field("url", &Config::url, "Where to send the events.", Need::required),
          field("method", &Config::method, "The HTTP method."),
          field("format", &Config::format,
                "json_array: a batch is one array. ndjson: a batch is one line per event. single: one request per event."),
          field("body", &Config::body,
                "body: each event's JSON as it is. envelope: {\"uuid\": …, the other facts, \"data\": the event's JSON}."),
          field("headers", &Config::headers, "Headers to send with each request, by name."),
          field("token", &Config::token, "Sent as \"Authorization: Bearer <token>\"."),
          field("compression", &Config::compression, "How request bodies are compressed; the receiver must know it."),
          field("timeout", &Config::timeout, "Deadline of one request, from sending it to the last byte of the answer.",
                range(Duration(1), Duration(600'000)))};
    }
    void check(config::StructReader& reader) const;
  };

  static constexpr std::string_view kSummary = "Sends events to an HTTP address as JSON, in batches or one by one.";
  static constexpr std::string_view kExample =
      "url: https://crm.example/hooks/events\n"
      "format: ndjson\n"
      "headers: { X-Team: growth }\n"
      "timeout: 5s\n";

  WebhookDestination(Config config, const ConnectorContext& context);
  ~WebhookDestination() override;

  // There is nothing to open: the first answer tells whether the address is right.
  Result<void> connect(std::stop_token stop) override;
  void submit(Batch batch, Completion done) override;
  // Waits for the answers on their way; each has its own deadline.
  void close() override;

 private:
  struct OneByOne;

  HttpRequest request(std::string body) const;
  void submit_one_by_one(Batch batch, Completion done);
  void send_next(OneByOne& run, std::size_t lane);
  void on_answer(OneByOne& run, std::size_t lane, std::size_t index, Outcome outcome);
  bool begin();  // false after close()
  void settled();
  Outcome outcome(const Result<HttpReply>& reply) const;

  const Config config_;
  const std::vector<std::pair<std::string, std::string>> headers_;  // of every request
  const Clock& clock_;
  HttpClient& http_;

  std::mutex mutex_;
  std::condition_variable all_settled_;                              // with mutex_
  std::size_t unsettled_ = 0;                                        // guarded by mutex_; batches
  bool closed_ = false;                                              // guarded by mutex_
  std::map<const OneByOne*, std::unique_ptr<OneByOne>> one_by_one_;  // guarded by mutex_, and what changes in them
};

}  // namespace penstock::destinations::webhook
