#pragma once
// Events of the web workload's shape, and the clock that benchmarks use. The same generator state gives the same bytes.

#include <fmt/core.h>
#include <time.h>

#include <chrono>
#include <random>
#include <string>

namespace penstock::bench {

// CPU time of this thread: other work on the machine does not count, only that it shares caches.
inline std::chrono::nanoseconds cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

class WebEvents {
 public:
  explicit WebEvents(std::mt19937_64& random) : random_(random) {}
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  std::string hex(int digits) { return fmt::format("{:0{}x}", random_() >> (64 - 4 * digits), digits); }
  std::string uuid() { return fmt::format("{}-{}-4{}-9{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12)); }
  const char* name() {
    static constexpr const char* kNames[] = {"$pageview",       "$autocapture",        "$pageleave",  "signed_up",
                                             "order_completed", "$identify",           "add_to_cart", "search",
                                             "video_played",    "$feature_flag_called"};
    return kNames[below(10)];
  }
  const char* system() {
    static constexpr const char* kSystems[] = {"Mac OS X", "Windows", "Linux", "iOS", "Android"};
    return kSystems[below(5)];
  }

 private:
  std::mt19937_64& random_;
};

// About 946 bytes: what a web SDK sends.
inline std::string web_event(std::mt19937_64& random, int i) {
  WebEvents any(random);
  const auto user = any.below(100'000);
  const auto page = any.below(9999);
  return fmt::format(
      R"({{"uuid":"{}","event":"{}","distinct_id":"user-{}","properties":{{"$os":"{}","$os_version":"10.15.7",)"
      R"("$browser":"Chrome","$device_type":"Desktop","$current_url":"https://shop.example.com/products/{}?utm_source=google&utm_campaign=spring&gclid=abc{}",)"
      R"("$host":"shop.example.com","$pathname":"/products/{}","$browser_version":{},"$screen_height":1080,"$screen_width":1920,)"
      R"("$viewport_height":900,"$viewport_width":1440,"$lib":"web","$lib_version":"1.205.0","$insert_id":"{}","$time":{}.123,)"
      R"("distinct_id":"user-{}","$device_id":"{}","$referrer":"$direct","$session_id":"{}","$ip":"10.{}.{}.7",)"
      R"("email":"Person{}@Example.com","plan":"pro","price":{}.0,"tags":["a","b"],"nested":{{"a":1,"b":{{"c":"d"}}}}}},)"
      R"("timestamp":"2026-11-21T10:{:02}:{:02}.123Z","token":"phc_test","$set":{{"email":"person{}@example.com"}}}})",
      any.uuid(), any.name(), user, any.system(), page, i, page, 90 + any.below(40), any.hex(16), 1763700000 + i, user,
      any.uuid(), any.uuid(), user % 256, user / 256, user, any.below(100), i / 60 % 60, i % 60, user);
}

// About 520 bytes: the same with half the properties.
inline std::string small_event(std::mt19937_64& random, int i) {
  WebEvents any(random);
  const auto user = any.below(100'000);
  return fmt::format(
      R"({{"uuid":"{}","event":"{}","distinct_id":"user-{}","properties":{{"$os":"{}","$browser":"Chrome",)"
      R"("$current_url":"https://shop.example.com/products/{}?utm_source=google","$browser_version":{},"$lib":"web",)"
      R"("$time":{}.123,"$device_id":"{}","$ip":"10.{}.{}.7","email":"Person{}@Example.com","plan":"pro","price":{}.0,)"
      R"("tags":["a","b"],"nested":{{"a":1,"b":{{"c":"d"}}}}}},)"
      R"("timestamp":"2026-11-21T10:{:02}:{:02}.123Z","token":"phc_test"}})",
      any.uuid(), any.name(), user, any.system(), any.below(9999), 90 + any.below(40), 1763700000 + i, any.uuid(),
      user % 256, user / 256, user, any.below(100), i / 60 % 60, i % 60);
}

}  // namespace penstock::bench
