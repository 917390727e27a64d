#include "pipeline/http/curl_client.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <thread>

#include "pipeline/base/check.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/http/curl_transfer.h"

namespace penstock::http {
namespace {

constexpr std::size_t kIdleHandlesMax = 64;

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
  Waiting waiting;  // for their turn, in the order in which they came
  Hosts hosts;  // of the transfers above
  Deadlines deadlines;
  std::vector<Easy> idle;

  void run();
  bool take(std::vector<std::unique_ptr<Transfer>>& out);
  void accept(std::unique_ptr<Transfer> transfer);
  bool begin_waiting();
  void begin(std::unique_ptr<Transfer> transfer);
  void prepare(Transfer& transfer);
  void set_method(const Transfer& transfer);
  void complete_finished();
  void expire(SteadyTime now);
  void end(CURL* easy, Result<HttpReply> result);
  void give_up(Transfer& waits, Result<HttpReply> result);
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
    for (auto& transfer : fresh) accept(std::move(transfer));
    fresh.clear();
    begin_waiting();
    int running = 0;
    const auto code = curl_multi_perform(multi, &running);
    CHECK(code == CURLM_OK);
    complete_finished();
    expire(std::chrono::steady_clock::now());
    const bool begun = begin_waiting();
    curl_multi_poll(multi, nullptr, 0, begun ? 0 : poll_ms(), nullptr);
  }
  const Error stopped{ErrorKind::stopped, "the HTTP client is stopping"};
  while (!active.empty()) end(active.begin()->first, std::unexpected(stopped));
  while (!waiting.empty()) give_up(*waiting.front(), std::unexpected(stopped));
  for (auto& transfer : fresh) answer(*transfer, std::unexpected(stopped));
}

// False when it is time to stop; what had come in by then is in `out` all the same.
bool CurlClient::Impl::take(std::vector<std::unique_ptr<Transfer>>& out) {
  const std::lock_guard lock(mutex);
  out.swap(incoming);
  return !stopping;
}

void CurlClient::Impl::accept(std::unique_ptr<Transfer> transfer) {
  auto ready = parse_url(*transfer);
  if (ready) ready = add_headers(*transfer);
  if (ready && transfer->refused) {
    ready = fail(ErrorKind::unavailable, fmt::format("{} was not asked: {} requests are waiting for answers already",
                                                     transfer->host, options.requests_max));
  }
  if (!ready) return answer(*transfer, std::unexpected(std::move(ready).error()));
  transfer->to = &*hosts.try_emplace(transfer->host).first;
  ++transfer->to->second.all;
  transfer->by_deadline = deadlines.emplace(transfer->deadline, transfer.get());
  const auto turn = waiting.insert(waiting.end(), std::move(transfer));
  (*turn)->by_turn = turn;
}

// The queue is ours: of the transfers that libcurl (7.88) holds back for its own connection limits, it sometimes forgets one,
// until its deadline.
bool CurlClient::Impl::begin_waiting() {
  bool begun = false;
  for (auto next = waiting.begin();
       next != waiting.end() && active.size() < static_cast<std::size_t>(options.connections_max);) {
    const auto turn = next++;
    if ((*turn)->to->second.active >= options.connections_per_host_max) continue;
    auto transfer = std::move(*turn);
    waiting.erase(turn);
    begin(std::move(transfer));
    begun = true;
  }
  return begun;
}

void CurlClient::Impl::begin(std::unique_ptr<Transfer> transfer) {
  prepare(*transfer);
  CURL* easy = transfer->easy.get();
  ++transfer->to->second.active;
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
  receive_into(transfer);
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
      end(easy, fail(ErrorKind::unavailable, what_happened(transfer, code)));
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
    auto& late = *deadlines.begin()->second;
    if (late.easy) {
      end(late.easy.get(), std::unexpected(timed_out(late)));
    } else {
      give_up(late, std::unexpected(timed_out(late)));
    }
  }
}

// Takes the request away from curl, keeps the handle for the next one, and answers.
void CurlClient::Impl::end(CURL* easy, Result<HttpReply> result) {
  auto node = active.extract(easy);
  auto& transfer = *node.mapped();
  --transfer.to->second.active;
  CHECK(curl_multi_remove_handle(multi, easy) == CURLM_OK);
  if (idle.size() < kIdleHandlesMax) {
    curl_easy_reset(easy);  // keeps nothing of the request
    idle.push_back(std::move(transfer.easy));
  } else {
    transfer.easy.reset();
  }
  answer(transfer, std::move(result));
}

void CurlClient::Impl::give_up(Transfer& waits, Result<HttpReply> result) {
  const auto transfer = std::move(*waits.by_turn);
  waiting.erase(transfer->by_turn);
  answer(*transfer, std::move(result));
}

void CurlClient::Impl::answer(Transfer& transfer, Result<HttpReply> result) {
  if (transfer.to != nullptr) {
    deadlines.erase(transfer.by_deadline);
    if (--transfer.to->second.all == 0) hosts.erase(hosts.find(transfer.to->first));
  }
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
