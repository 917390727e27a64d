#include "pipeline/kafka/token_fetcher.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/http/curl_client.h"

namespace penstock::kafka {
namespace {

// What was asked outlives who waits for it.
struct Answer {
  std::mutex mutex;
  std::condition_variable_any came;  // with mutex
  std::optional<Result<HttpReply>> reply;  // guarded by mutex
};

struct Shared {
  std::unique_ptr<http::CurlClient> http;
  std::optional<TokenFetcher> fetcher;  // ends first
};

}  // namespace

TokenFetcher::TokenFetcher(TokenSettings settings, HttpClient& http, const Clock& clock, Duration wait_min,
                           Duration wait_max)
    : settings_(std::move(settings)), http_(http), clock_(clock), wait_min_(wait_min), wait_max_(wait_max) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

TokenFetcher::~TokenFetcher() = default;

TokenFetcher::Id TokenFetcher::join(Take take) {
  const std::lock_guard lock(mutex_);
  members_.emplace(++last_, Member{std::move(take)});
  return last_;
}

void TokenFetcher::want(Id client) {
  const std::lock_guard lock(mutex_);
  const auto member = members_.find(client);
  if (member == members_.end()) return;
  member->second.wants = true;
  wake_.notify_one();
}

void TokenFetcher::leave(Id client) {
  const std::lock_guard lock(mutex_);
  members_.erase(client);
}

bool TokenFetcher::is_wanted() const {
  return std::ranges::any_of(members_, [](const auto& each) { return each.second.wants; });
}

bool TokenFetcher::is_young() const {
  return token_ && clock_.now().ms - token_->made.ms < (token_->expires.ms - token_->made.ms) / 2;
}

void TokenFetcher::run(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  name_this_thread("kafka-tokens");
  Duration wait = wait_min_;
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return is_wanted(); })) {
    if (is_young()) {
      give(*token_);
      continue;
    }
    lock.unlock();
    const auto asked = clock_.now();
    const auto reply = ask(stop);
    lock.lock();
    if (!reply) return;
    const auto token = token_of(*reply, settings_, asked, clock_.now());
    give(token);
    if (token) {
      token_ = *token;
      wait = wait_min_;
      continue;
    }
    wake_.wait_for(lock, stop, wait, [] { return false; });
    wait = std::min(wait * 2, wait_max_);
  }
}

// Nothing: it is to stop.
std::optional<Result<HttpReply>> TokenFetcher::ask(const std::stop_token& stop) {
  const auto answer = std::make_shared<Answer>();
  http_.send(token_request(settings_), [answer](Result<HttpReply> reply) {
    const std::lock_guard lock(answer->mutex);
    answer->reply = std::move(reply);
    answer->came.notify_one();
  });
  std::unique_lock lock(answer->mutex);
  if (!answer->came.wait(lock, stop, [&] { return answer->reply.has_value(); })) return std::nullopt;
  return std::move(answer->reply);
}

void TokenFetcher::give(const Result<Token>& token) {
  const std::string why = token ? "" : token.error().message;
  if (std::exchange(told_, why) != why) {
    if (token) log_info("kafka", "there is a token to log in with again");
    else log_warning("kafka", "{}; it is asked for again", why);
  }
  for (auto& [id, member] : members_) {
    if (!member.wants) continue;
    member.wants = !token;
    member.take(token);
  }
}

Result<std::shared_ptr<TokenFetcher>> shared_fetcher(const TokenSettings& settings) {
  static std::mutex mutex;
  static std::map<TokenSettings, std::weak_ptr<Shared>> all;  // guarded by mutex
  const std::lock_guard lock(mutex);
  std::erase_if(all, [](const auto& each) { return each.second.expired(); });
  auto shared = all[settings].lock();
  if (!shared) {
    TRY_ASSIGN(auto http, http::CurlClient::start({.connections_max = 1, .ca_file = settings.ca_file}));
    shared = std::make_shared<Shared>();
    shared->http = std::move(http);
    shared->fetcher.emplace(settings, *shared->http, system_clock());
    all[settings] = shared;
  }
  return std::shared_ptr<TokenFetcher>(shared, &*shared->fetcher);
}

}  // namespace penstock::kafka
