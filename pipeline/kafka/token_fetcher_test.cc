#include "pipeline/kafka/token_fetcher.h"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <vector>

#include "tests/fakes/manual_clock.h"

using namespace penstock;
using kafka::TokenFetcher;

namespace {

// Answers as it was told to, one request after the other; when there is nothing left, not at all.
class Endpoint final : public HttpClient {
 public:
  void then(int status, std::string body) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(HttpReply{status, {}, std::move(body)});
  }
  void then_token(const std::string& token) { then(200, R"({"access_token": ")" + token + R"(", "expires_in": 100})"); }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void wait_until_asked(int times) {
    std::unique_lock lock(mutex_);
    REQUIRE(came_.wait_for(lock, std::chrono::seconds(20), [&] { return asked_ >= times; }));
  }
  void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)> done) override {
    std::unique_lock lock(mutex_);
    ++asked_;
    came_.notify_all();
    if (answers_.empty()) return;
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    lock.unlock();
    done(std::move(answer));
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<HttpReply> answers_;
  int asked_ = 0;
};

// What one client was given.
class Given {
 public:
  TokenFetcher::Take take() {
    return [this](const Result<kafka::Token>& token) {
      const std::lock_guard lock(mutex_);
      all_.push_back(token ? token->value : token.error().message);
      came_.notify_all();
    };
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(came_.wait_for(lock, std::chrono::seconds(20), [&] { return all_.size() >= count; }));
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::string> all_;
};

const kafka::TokenSettings kSettings{
    .endpoint = "http://id.example/token", .client_id = "p", .client_secret = "s", .scope = {}, .ca_file = {}};

}  // namespace

TEST_CASE("who wants a token is told why there is none, and gets it when there is one") {
  Endpoint endpoint;
  endpoint.then(500, "");
  endpoint.then(200, "garbage");
  endpoint.then_token("one");
  const fakes::ManualClock clock;
  Given given;
  TokenFetcher fetcher(kSettings, endpoint, clock, Duration(1), Duration(4));
  fetcher.want(fetcher.join(given.take()));
  CHECK(given.wait_for(3) ==
        std::vector<std::string>{"no token to log in with: id.example answered 500",
                                 "no token to log in with: id.example answered 200, but not with an access_token in JSON",
                                 "one"});
}

TEST_CASE("clients share a token until half its life is over") {
  Endpoint endpoint;
  endpoint.then_token("one");
  endpoint.then_token("two");
  fakes::ManualClock clock;
  Given first;
  Given second;
  TokenFetcher fetcher(kSettings, endpoint, clock);
  const auto one = fetcher.join(first.take());
  const auto two = fetcher.join(second.take());
  fetcher.want(one);
  CHECK(first.wait_for(1).back() == "one");
  clock.advance(Duration(49'000));
  fetcher.want(two);
  CHECK(second.wait_for(1).back() == "one");
  CHECK(endpoint.asked() == 1);
  clock.advance(Duration(2000));
  fetcher.want(one);
  CHECK(first.wait_for(2).back() == "two");
  fetcher.want(two);
  CHECK(second.wait_for(2).back() == "two");
  CHECK(endpoint.asked() == 2);
}

TEST_CASE("who has left is given nothing, and an endpoint that does not answer holds up no end") {
  Endpoint endpoint;
  const fakes::ManualClock clock;
  Given given;
  {
    TokenFetcher fetcher(kSettings, endpoint, clock);
    const auto client = fetcher.join(given.take());
    fetcher.want(client);
    endpoint.wait_until_asked(1);
    fetcher.leave(client);
    fetcher.want(client);
  }
  CHECK(given.wait_for(0).empty());
}
