#pragma once
// What every destination can be told, whatever its type; read by topology from the same map as name, type and the type's own
// settings.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/config/fields.h"
#include "pipeline/delivery/moment.h"

namespace penstock::delivery {

enum class Order : std::uint8_t { none, key };
enum class OnDead : std::uint8_t { go_on, block };

// Of one destination. What is set aside (set_aside.h): above it hardly anything is read; see DestinationLoop::aside_has_room.
inline constexpr Bytes kAsideMax = 4_MiB;
inline constexpr std::size_t kAsideEventsMax = 10'000;

// Of one destination. Letters on their way to the store: above it reading waits, with a batch in hand. And letters that are read at
// a time to be sent again.
inline constexpr Bytes kLettersWaitingMax = 4_MiB;
inline constexpr Bytes kLettersAgainMax = 4_MiB;

}  // namespace penstock::delivery

template <>
struct penstock::config::enum_names<penstock::delivery::Order> {
  using Order = penstock::delivery::Order;
  static constexpr std::array names{std::pair{"none", Order::none}, std::pair{"key", Order::key}};
};

template <>
struct penstock::config::enum_names<penstock::delivery::OnDead> {
  using OnDead = penstock::delivery::OnDead;
  static constexpr std::array names{std::pair{"continue", OnDead::go_on}, std::pair{"block", OnDead::block}};
};

namespace penstock::delivery {

struct BatchSettings {
  int events = 500;
  Bytes bytes = 1_MiB;
  Duration within{250};

  static constexpr auto fields() {
    using config::field;
    using config::range;
    return std::tuple{field("events", &BatchSettings::events, "Most events in one write.", range(1, 100'000)),
                      field("bytes", &BatchSettings::bytes,
                            "Most bytes of bodies in one write; a larger event travels alone.", range(1_KiB, 64_MiB)),
                      field("within", &BatchSettings::within, "How long the first event of a batch waits for others.",
                            range(Duration{0}, Duration{60'000}))};
  }
};

struct RetrySettings {
  int attempts_max = 10;
  Duration age_max{3'600'000};
  Duration wait_min{500};
  Duration wait_max{30'000};

  static constexpr auto fields() {
    using config::field;
    using config::range;
    constexpr Duration kDay{86'400'000};
    return std::tuple{
        field("attempts_max", &RetrySettings::attempts_max,
              "How often an event that the destination fails for the event's own sake is tried before it becomes a dead "
              "letter. An outage never counts.",
              range(1, 1000)),
        field("age_max", &RetrySettings::age_max,
              "How long after its first own failure an event is tried before it becomes a dead letter.",
              range(Duration{0}, kDay)),
        field("wait_min", &RetrySettings::wait_min, "Longest first pause; it doubles with each failure in a row.",
              range(Duration{1}, kDay)),
        field("wait_max", &RetrySettings::wait_max, "Longest pause of all. A pause is a random part of the longest one.",
              range(Duration{1}, kDay))};
  }
  void check(config::StructReader& reader) const {
    if (wait_max < wait_min) reader.problem("wait_max", "must not be below wait_min");
  }
};

// Token buckets, see token_bucket.h.
struct RateSettings {
  int events = 0;
  Bytes bytes{0};

  static constexpr auto fields() {
    using config::field;
    using config::range;
    return std::tuple{
        field("events", &RateSettings::events, "Most events a second, on average; 0 is no limit.", range(0, 10'000'000)),
        field("bytes", &RateSettings::bytes, "Most bytes of bodies a second, on average; 0 is no limit.",
              range(Bytes{0}, 100_GiB))};
  }
  friend bool operator==(const RateSettings&, const RateSettings&) = default;
};

struct SuspendSettings {
  double share = 0.5;
  int events = 1000;
  Duration within{60'000};
  Duration retry{300'000};

  static constexpr auto fields() {
    using config::field;
    using config::range;
    return std::tuple{
        field("share", &SuspendSettings::share,
              "The destination is suspended when more than this share of its events is rejected; 1 never suspends it.",
              range(0.01, 1.0)),
        field("events", &SuspendSettings::events, "Rejected events there must be before it is.", range(1, 10'000'000)),
        field("within", &SuspendSettings::within, "The time that is looked at: this and as much again at most.",
              range(Duration{1000}, Duration{86'400'000})),
        field("retry", &SuspendSettings::retry, "After this time it is tried again; `penstock resume` does it at once.",
              range(Duration{1000}, Duration{86'400'000}))};
  }
};

struct DestinationSettings {
  std::vector<std::string> events;
  std::string when;
  BatchSettings batch;
  int in_flight_max = 4;
  Order order = Order::none;
  OnDead on_dead = OnDead::go_on;
  int blocked_max = 100'000;
  std::string from = "now";
  RateSettings rate;
  RetrySettings retry;
  SuspendSettings suspend;
  Duration drain{10'000};
  bool hold = false;

  static constexpr auto fields() {
    using config::field;
    using config::range;
    return std::tuple{
        field("events", &DestinationSettings::events,
              "Names of the events it gets, `*` standing for any text. None: all events."),
        field("when", &DestinationSettings::when,
              "A Lua expression over `event` and `facts`: only events for which it is true."),
        field("batch", &DestinationSettings::batch, "How events are put together for one write."),
        field("in_flight_max", &DestinationSettings::in_flight_max, "Most writes under way at a time.", range(1, 1000)),
        field(
            "order", &DestinationSettings::order,
            "`key`: events of one distinct id arrive in the order of the log; one that is tried again holds up those of its "
            "id, and few others. `none`: whatever is ready goes."),
        field(
            "on_dead", &DestinationSettings::on_dead,
            "With `order: key`, what a dead letter means for later events of its distinct id. `continue`: they go. `block`: "
            "they become dead letters behind it, of the code `behind_dead`, and all go by themselves, in order, once it was "
            "delivered (`penstock dead replay`) or discarded. A replay of the log is not held up by them. With `continue` "
            "again, "
            "those that still wait are dead letters like others."),
        field("blocked_max", &DestinationSettings::blocked_max,
              "With `on_dead: block`, how many distinct ids dead letters may hold up before no more is read, nor replayed. "
              "Each "
              "takes some 60 bytes of memory.",
              range(1, 1'000'000)),
        field("from", &DestinationSettings::from,
              "Where a new destination starts when there are events already: now, earliest, a time such as "
              "2026-08-01T10:00:00Z, or how long ago, such as 2h."),
        field("rate", &DestinationSettings::rate, "How fast it may be written to."),
        field("retry", &DestinationSettings::retry, "What happens to a write that failed."),
        field("suspend", &DestinationSettings::suspend,
              "When a destination that rejects too much is left alone for a while."),
        field("drain", &DestinationSettings::drain, "How long stopping waits for writes under way.",
              range(Duration{0}, Duration{600'000})),
        field("hold", &DestinationSettings::hold,
              "Retention waits for this destination and its replay: when the log is full, sources wait instead of it losing "
              "events.")};
  }
  void check(config::StructReader& reader) const {
    if (on_dead == OnDead::block && order != Order::key)
      reader.problem("on_dead", "`block` keeps the order of a distinct id, so it needs `order: key`");
    if (const auto read = read_moment(from, Timestamp{}); !read) reader.problem("from", read.error().message);
  }
};

}  // namespace penstock::delivery
