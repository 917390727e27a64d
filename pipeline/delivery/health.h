#pragma once
// How a destination is, in one word and a sentence: the same in metrics, status and log.
//
//   starting     not connected yet
//   healthy      what there is goes out
//   blocked      with `on_dead: block`, dead letters hold the later events of their distinct ids up; the others go out
//   limited      a rate holds it back: its own `rate:`, or the receiver's 429
//   unavailable  the receiver does not answer, or not well; nothing counts against the events
//   paused       somebody said so
//   suspended    it rejects too much, or one of its apps keeps failing: tried again after a while, or by `penstock resume`
//   stopped      it is being taken down

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::delivery {

enum class Health : std::uint8_t { starting, healthy, blocked, limited, unavailable, paused, suspended, stopped };

inline constexpr std::array kHealths{Health::starting,    Health::healthy, Health::blocked,   Health::limited,
                                     Health::unavailable, Health::paused,  Health::suspended, Health::stopped};

constexpr std::string_view to_string(Health health) {
  switch (health) {
    case Health::starting: return "starting";
    case Health::healthy: return "healthy";
    case Health::blocked: return "blocked";
    case Health::limited: return "limited";
    case Health::unavailable: return "unavailable";
    case Health::paused: return "paused";
    case Health::suspended: return "suspended";
    case Health::stopped: return "stopped";
  }
  return "unknown";
}

struct Condition {
  Health health = Health::starting;
  std::string reason;  // "503 from crm.example: upstream down"; empty when there is nothing to explain

  friend bool operator==(const Condition&, const Condition&) = default;
};

}  // namespace penstock::delivery
