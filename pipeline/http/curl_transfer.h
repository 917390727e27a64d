#pragma once
// One request of CurlClient on its way: what libcurl is given of it, what has come back, and what to say when it fails. Inside
// this folder only.

#include <curl/curl.h>

#include <array>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/http_client.h"

namespace penstock::http {

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, EasyCleanup>;

struct Transfer;
using Deadlines = std::multimap<SteadyTime, Transfer*>;
using Waiting = std::list<std::unique_ptr<Transfer>>;

// The requests to one host that have no answer: all of them, and those that curl has.
struct HostLoad {
  int all = 0;
  int active = 0;
};
using Hosts = std::unordered_map<std::string, HostLoad>;

// One request on its way. Never moves: curl holds pointers into it.
struct Transfer {
  HttpRequest request;
  std::move_only_function<void(Result<HttpReply>)> done;
  SteadyTime deadline;
  bool refused = false;  // too many are waiting already

  std::string host;  // "crm.example:8443", for messages
  std::unique_ptr<CURLU, UrlCleanup> url;
  std::unique_ptr<curl_slist, ListCleanup> headers;
  Easy easy;  // null while it waits for its turn
  Hosts::value_type* to = nullptr;  // null until it is accepted
  Waiting::iterator by_turn;  // while it waits
  Deadlines::iterator by_deadline;
  HttpReply reply;
  std::size_t header_bytes = 0;
  bool whole_head = false;  // the empty line after the headers has come
  std::array<char, CURL_ERROR_SIZE> detail{};
};

// Reads request.url into `url` and `host`. Errors: kind invalid when it cannot be read, or is not of HTTP.
Result<void> parse_url(Transfer& transfer);
// After parse_url. Errors: kind invalid when a header is not one line of text.
Result<void> add_headers(Transfer& transfer);
// Where the answer goes.
void receive_into(Transfer& transfer);
// What the transfer ran into, with the host.
std::string what_happened(const Transfer& transfer, CURLcode code);
Error timed_out(const Transfer& transfer);

}  // namespace penstock::http
