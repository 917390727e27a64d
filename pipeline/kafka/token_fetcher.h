#pragma once
// Gets tokens from one endpoint, for every client of the process that logs in with the same credentials: a thread that asks when one of
// them wants a token, gives all of them what came, and asks again, ever more seldom, for as long as nothing does. Why there is none is
// in the log when it becomes another reason.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/token_request.h"
#include "pipeline/ports/http_client.h"

namespace penstock::kafka {

// Any thread. `http` and `clock` outlive it.
class TokenFetcher {
 public:
  // Called by the fetcher's thread, for each time that the client had wanted a token: with errors, until there is one. Must not block,
  // nor call the fetcher.
  using Take = std::move_only_function<void(const Result<Token>&)>;
  using Id = int;

  // `wait_min` and `wait_max`: between tries in vain.
  TokenFetcher(TokenSettings settings, HttpClient& http, const Clock& clock, Duration wait_min = Duration(500),
               Duration wait_max = Duration(10'000));
  // Does not wait for the endpoint.
  ~TokenFetcher();
  TokenFetcher(const TokenFetcher&) = delete;
  TokenFetcher& operator=(const TokenFetcher&) = delete;

  Id join(Take take);
  // Returns at once. One that is younger than half its life is given again. Who has left may still want one, and gets nothing.
  void want(Id client);
  // From its return on `take` is not called any more.
  void leave(Id client);

 private:
  struct Member {
    Take take;
    bool wants = false;
  };

  void run(const std::stop_token& stop);
  bool is_wanted() const;
  bool is_young() const;
  std::optional<Result<HttpReply>> ask(const std::stop_token& stop);
  void give(const Result<Token>& token);

  const TokenSettings settings_;
  HttpClient& http_;
  const Clock& clock_;
  const Duration wait_min_;
  const Duration wait_max_;
  std::string told_;  // the thread's: the last reason, empty when all is well

  std::mutex mutex_;
  std::condition_variable_any wake_;  // with mutex_
  std::map<Id, Member> members_;  // guarded by mutex_
  Id last_ = 0;  // guarded by mutex_
  std::optional<Token> token_;  // guarded by mutex_
  std::jthread thread_;
};

// The one of this process for these settings, with an HTTP client of its own. It lives as long as somebody holds it: clients come and
// go, some for one request, and must not ask for a token each.
Result<std::shared_ptr<TokenFetcher>> shared_fetcher(const TokenSettings& settings);

}  // namespace penstock::kafka
