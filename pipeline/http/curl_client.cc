#include "pipeline/http/curl_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "pipeline/base/check.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"

namespace penstock::http {
namespace {

constexpr std::size_t kHeaderBytesMax = (64_KiB).count;
constexpr std::size_t kIdleHandlesMax = 64;

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
using Deadlines = std::multimap<SteadyTime, CURL*>;

// One request on its way. Never moves: curl holds pointers into it.
struct Transfer {
  HttpRequest request;
  std::move_only_function<void(Result<HttpReply>)> done;
  SteadyTime deadline;
  bool refused = false;  // too many are waiting already

  std::string host;  // "crm.example:8443", for messages
  std::unique_ptr<CURLU, UrlCleanup> url;
  std::unique_ptr<curl_slist, ListCleanup> headers;
  Easy easy;
  Deadlines::iterator by_deadline;
  HttpReply reply;
  std::size_t header_bytes = 0;
  bool whole_head = false;  // the empty line after the headers has come
  std::array<char, CURL_ERROR_SIZE> detail{};
};

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

std::string spell(Duration wait) {
  return wait.count() % 1000 == 0 ? fmt::format("{}s", wait.count() / 1000) : fmt::format("{}ms", wait.count());
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

std::size_t on_body(const char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const auto room = static_cast<std::size_t>(transfer.request.answer_max.count) - transfer.reply.body.size();
  transfer.reply.body.append(data, std::min(size, room));
  if (size <= room) return size;
  transfer.reply.truncated = true;  // returning less than `size` ends the transfer
  return 0;
}

std::size_t on_header(const char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.header_bytes += size;
  if (transfer.header_bytes > kHeaderBytesMax) return 0;
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) transfer.reply.headers.clear();  // an interim answer (100) came before
  transfer.whole_head = line.empty() || (transfer.whole_head && !line.starts_with("HTTP/"));
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  auto value = line.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  transfer.reply.headers.emplace_back(lower(line.substr(0, colon)), value);
  return size;
}

bool header_is_clean(const std::pair<std::string, std::string>& header) {
  const auto& [name, value] = header;
  return !name.empty() && name.find_first_of(":\r\n \t") == std::string::npos &&
         value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

Result<void> add_headers(Transfer& transfer) {
  bool typed = false;
  const auto append = [&](const std::string& line) {
    auto* longer = curl_slist_append(transfer.headers.release(), line.c_str());
    CHECK(longer != nullptr);
    transfer.headers.reset(longer);
  };
  for (const auto& header : transfer.request.headers) {
    if (!header_is_clean(header)) {
      return fail(ErrorKind::invalid,
                  fmt::format("the request to {} has a header that is not one line of text", transfer.host));
    }
    typed = typed || lower(header.first) == "content-type";
    // curl reads "Name:" as "leave it out" and "Name;" as "send it empty".
    append(header.second.empty() ? header.first + ";" : header.first + ": " + header.second);
  }
  append("Expect:");  // else curl waits up to a second for servers that do not know 100-continue
  if (!typed) append("Content-Type:");
  return {};
}

Result<void> parse_url(Transfer& transfer) {
  transfer.url.reset(curl_url());
  CHECK(transfer.url != nullptr);
  if (curl_url_set(transfer.url.get(), CURLUPART_URL, transfer.request.url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorKind::invalid, "the URL of a request cannot be read");
  }
  const auto port = url_part(transfer.url.get(), CURLUPART_PORT);
  transfer.host = url_part(transfer.url.get(), CURLUPART_HOST) + (port.empty() ? "" : ":" + port);
  const auto scheme = url_part(transfer.url.get(), CURLUPART_SCHEME);
  if (scheme == "http" || scheme == "https") return {};
  return fail(ErrorKind::invalid,
              fmt::format("{} is named with {}://, but only http and https can be spoken", transfer.host, scheme));
}

// What the transfer ran into, as the end of a sentence that begins with the host.
std::string what_happened(CURLcode code, CURL* easy, const char* detail) {
  long os_error = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
  const auto system = [&] { return os_error != 0 ? std::strerror(static_cast<int>(os_error)) : detail; };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return "cannot be reached: its name does not resolve";
    case CURLE_COULDNT_RESOLVE_PROXY: return "cannot be reached: the proxy's name does not resolve";
    case CURLE_COULDNT_CONNECT:
      return os_error == ECONNREFUSED ? "refused the connection" : fmt::format("cannot be reached: {}", system());
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return os_error == ECONNRESET || os_error == EPIPE ? "reset the connection"
                                                         : fmt::format("broke the connection: {}", system());
    case CURLE_GOT_NOTHING: return "closed the connection without an answer";
    case CURLE_PARTIAL_FILE: return "closed the connection in the middle of its answer";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: return "did not answer in HTTP";
    case CURLE_WRITE_ERROR: return "answered with more than 64 KiB of headers";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR: return fmt::format("failed TLS: {}", *detail != '\0' ? detail : curl_easy_strerror(code));
    default: return fmt::format("failed: {}", curl_easy_strerror(code));
  }
}

Error timed_out(const Transfer& transfer) {
  curl_off_t connected = 0;
  if (transfer.easy) curl_easy_getinfo(transfer.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
  const auto what = connected > 0 ? "gave no complete answer" : "could not be connected to";
  return Error{ErrorKind::limit, fmt::format("{} {} within {}", transfer.host, what, spell(transfer.request.timeout))};
}

}  // namespace

struct CurlClient::Impl {
  explicit Impl(CurlClientOptions wanted) : options(std::move(wanted)) {}
  ~Impl() {
    idle.clear();
    curl_multi_cleanup(multi);
  }

  const CurlClientOptions options;
  CURLM* multi = nullptr;
  std::thread thread;

  std::mutex mutex;
  std::vector<std::unique_ptr<Transfer>> incoming;  // guarded by mutex
  int unanswered = 0;                               // guarded by mutex
  bool stopping = false;                            // guarded by mutex

  // The client's thread only.
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> active;
  Deadlines deadlines;
  std::vector<Easy> idle;

  void run();
  bool take(std::vector<std::unique_ptr<Transfer>>& out);
  void begin(std::unique_ptr<Transfer> transfer);
  void prepare(Transfer& transfer);
  void set_method(const Transfer& transfer);
  void complete_finished();
  void expire(SteadyTime now);
  void end(CURL* easy, Result<HttpReply> result);
  void answer(Transfer& transfer, Result<HttpReply> result);
  int poll_ms() const;
};

void CurlClient::Impl::run() {
  name_this_thread("http-client");
  sigset_t broken_pipe;  // OpenSSL writes without MSG_NOSIGNAL; a peer that went away must not end the process
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);

  std::vector<std::unique_ptr<Transfer>> fresh;
  while (take(fresh)) {
    for (auto& transfer : fresh) begin(std::move(transfer));
    fresh.clear();
    int running = 0;
    const auto code = curl_multi_perform(multi, &running);
    CHECK(code == CURLM_OK);
    complete_finished();
    expire(std::chrono::steady_clock::now());
    curl_multi_poll(multi, nullptr, 0, poll_ms(), nullptr);
  }
  const Error stopped{ErrorKind::stopped, "the HTTP client is stopping"};
  while (!active.empty()) end(active.begin()->first, std::unexpected(stopped));
  for (auto& transfer : fresh) answer(*transfer, std::unexpected(stopped));
}

// False when it is time to stop; what had come in by then is in `out` all the same.
bool CurlClient::Impl::take(std::vector<std::unique_ptr<Transfer>>& out) {
  const std::lock_guard lock(mutex);
  out.swap(incoming);
  return !stopping;
}

void CurlClient::Impl::begin(std::unique_ptr<Transfer> transfer) {
  auto ready = parse_url(*transfer);
  if (ready) ready = add_headers(*transfer);
  if (ready && transfer->refused) {
    ready = fail(ErrorKind::unavailable, fmt::format("{} was not asked: {} requests are waiting for answers already",
                                                     transfer->host, options.requests_max));
  }
  if (!ready) return answer(*transfer, std::unexpected(std::move(ready).error()));
  prepare(*transfer);
  CURL* easy = transfer->easy.get();
  transfer->by_deadline = deadlines.emplace(transfer->deadline, easy);
  active.emplace(easy, std::move(transfer));
  CHECK(curl_multi_add_handle(multi, easy) == CURLM_OK);
}

void CurlClient::Impl::prepare(Transfer& transfer) {
  if (idle.empty()) {
    transfer.easy.reset(curl_easy_init());
    CHECK(transfer.easy != nullptr);
  } else {
    transfer.easy = std::move(idle.back());
    idle.pop_back();
  }
  CURL* easy = transfer.easy.get();
  curl_easy_setopt(easy, CURLOPT_CURLU, transfer.url.get());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a name server that hangs must not hold this thread at removal
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::max<Duration::rep>(transfer.request.timeout.count(), 1)) + 1000L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.detail.data());
  if (!options.proxy_from_environment) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  set_method(transfer);
}

void CurlClient::Impl::set_method(const Transfer& transfer) {
  CURL* easy = transfer.easy.get();
  const auto& [method, body] = std::tie(transfer.request.method, transfer.request.body);
  if (method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (method != "POST") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  if (body.empty() && (method == "GET" || method == "DELETE")) return;
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());  // not copied: the transfer outlives the handle's use
}

void CurlClient::Impl::complete_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    auto& transfer = *active.at(easy);
    const bool cut = message->data.result == CURLE_OK && !transfer.whole_head;  // curl lets that pass
    const auto code = cut ? CURLE_PARTIAL_FILE : message->data.result;
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && transfer.reply.truncated)) {
      end(easy, fail(ErrorKind::unavailable, transfer.host + " " + what_happened(code, easy, transfer.detail.data())));
      continue;
    }
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    transfer.reply.status = static_cast<int>(status);
    end(easy, std::move(transfer.reply));
  }
}

void CurlClient::Impl::expire(SteadyTime now) {
  while (!deadlines.empty() && deadlines.begin()->first <= now) {
    CURL* easy = deadlines.begin()->second;
    end(easy, std::unexpected(timed_out(*active.at(easy))));
  }
}

// Takes the request away from curl, keeps the handle for the next one, and answers.
void CurlClient::Impl::end(CURL* easy, Result<HttpReply> result) {
  auto node = active.extract(easy);
  auto& transfer = *node.mapped();
  deadlines.erase(transfer.by_deadline);
  CHECK(curl_multi_remove_handle(multi, easy) == CURLM_OK);
  if (idle.size() < kIdleHandlesMax) {
    curl_easy_reset(easy);  // keeps nothing of the request
    idle.push_back(std::move(transfer.easy));
  } else {
    transfer.easy.reset();
  }
  answer(transfer, std::move(result));
}

void CurlClient::Impl::answer(Transfer& transfer, Result<HttpReply> result) {
  {
    const std::lock_guard lock(mutex);
    --unanswered;
  }
  transfer.done(std::move(result));
}

int CurlClient::Impl::poll_ms() const {
  constexpr Duration kLongest{60'000};
  if (deadlines.empty()) return static_cast<int>(kLongest.count());
  const auto left = std::chrono::ceil<Duration>(deadlines.begin()->first - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp(left, Duration(0), kLongest).count());
}

CurlClient::CurlClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<CurlClient>> CurlClient::start(CurlClientOptions options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) return fail(ErrorKind::io, "the HTTP client does not start: libcurl cannot be initialised");
  auto impl = std::make_unique<Impl>(std::move(options));
  impl->multi = curl_multi_init();
  if (impl->multi == nullptr) return fail(ErrorKind::io, "the HTTP client does not start: libcurl gives no multi handle");
  curl_multi_setopt(impl->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(impl->options.connections_max));
  curl_multi_setopt(impl->multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(impl->options.connections_per_host_max));
  curl_multi_setopt(impl->multi, CURLMOPT_MAXCONNECTS, static_cast<long>(impl->options.connections_max));
  std::unique_ptr<CurlClient> client(new CurlClient(std::move(impl)));
  client->impl_->thread = std::thread([raw = client->impl_.get()] { raw->run(); });
  return client;
}

CurlClient::~CurlClient() { stop(); }

void CurlClient::send(HttpRequest request, std::move_only_function<void(Result<HttpReply>)> done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->deadline = std::chrono::steady_clock::now() + request.timeout;
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  std::unique_lock lock(impl_->mutex);
  if (impl_->stopping) {
    lock.unlock();
    return transfer->done(fail(ErrorKind::stopped, "the HTTP client was stopped"));
  }
  transfer->refused = ++impl_->unanswered > impl_->options.requests_max;
  if (transfer->refused) transfer->request.body = {};
  impl_->incoming.push_back(std::move(transfer));
  lock.unlock();
  curl_multi_wakeup(impl_->multi);
}

void CurlClient::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  curl_multi_wakeup(impl_->multi);
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace penstock::http
