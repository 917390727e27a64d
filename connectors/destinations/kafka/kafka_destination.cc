#include "connectors/destinations/kafka/kafka_destination.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "pipeline/event/envelope.h"
#include "pipeline/kafka/outcomes.h"

namespace penstock::destinations::kafka {
namespace {

using penstock::kafka::Producer;
using penstock::kafka::Report;

constexpr Duration kConnectPatience{5000};
constexpr Duration kLimitsPatience{2000};
constexpr std::chrono::milliseconds kPurgeAgain{100};
// The client keeps something for every topic it has written to.
constexpr std::size_t kTopicsMax = 1000;
constexpr std::size_t kEnvelopeBytes = 400;
constexpr std::string_view kTooLarge = "msg_size_too_large";
// Of a batch with one record, besides its key and value.
constexpr std::size_t kBatchHeaderBytes = 61;

FactTemplate parsed(const std::string& text) {
  return FactTemplate::parse(text).value_or(FactTemplate());  // Config::check has parsed it before
}

std::vector<std::pair<std::string, FactTemplate>> parsed(const config::StringMap& texts) {
  std::vector<std::pair<std::string, FactTemplate>> made;
  for (const auto& [name, text] : texts) made.emplace_back(name, parsed(text));
  return made;
}

Outcome closed() {
  return {.kind = Outcome::Kind::unavailable,
          .code = "closed",
          .reason = "the destination is not connected",
          .retry_after = {},
          .lost = true};
}

Outcome bad_topic(std::string reason) {
  return {.kind = Outcome::Kind::rejected, .code = "invalid_topic", .reason = std::move(reason), .retry_after = {}};
}

}  // namespace

// The tag of a message: where its event stands.
struct KafkaDestination::Slot {
  Flight* flight = nullptr;
};

// A batch on its way.
struct KafkaDestination::Flight {
  Flight(Batch events, Completion completion) : batch(std::move(events)), done(std::move(completion)) {
    slots.assign(batch.events.size(), Slot{this});
    waits_for += slots.size();
  }

  std::size_t index_of(const Slot& slot) const { return static_cast<std::size_t>(&slot - slots.data()); }
  const EventView& event_of(const Slot& slot) const { return batch.events[index_of(slot)]; }
  std::string_view value_of(const Slot& slot) const {
    const auto i = index_of(slot);
    if (ends.empty()) return batch.events[i].body;
    const auto start = i == 0 ? 0 : ends[i - 1];
    return std::string_view(envelopes).substr(start, ends[i] - start);
  }

  // One outcome for all of them until one has failed.
  void fail(const Slot& slot, Outcome outcome) {
    outcomes.each.resize(batch.events.size());
    outcomes.each[index_of(slot)] = std::move(outcome);
  }

  const Batch batch;
  Completion done;
  std::string envelopes;    // what messages point into when they are not the bodies
  std::vector<std::size_t> ends;  // of each of them
  std::vector<Slot> slots;  // one for each event; they stay where they are
  Outcomes outcomes = Outcomes::all(Outcome::delivered());
  std::size_t waits_for = 1;  // reports, and the end of submit
};

// What the client copies of a message; reused from one to the next.
struct KafkaDestination::Draft {
  explicit Draft(const KafkaDestination& destination) : topic(destination.only_topic_) {
    for (const auto& [name, text] : destination.headers_) headers.emplace_back(name, "");
  }

  std::string topic, key;
  std::vector<std::pair<std::string, std::string>> headers;
};

KafkaDestination::KafkaDestination(Config config, const ConnectorContext& context)
    : config_(std::move(config)), name_(context.name), metrics_(context.metrics), topic_(parsed(config_.topic)),
      key_(parsed(config_.key)), headers_(parsed(config_.headers)),
      only_topic_(topic_.constant() ? topic_.of({}) : std::string()) {}

KafkaDestination::~KafkaDestination() { close(); }

Result<void> KafkaDestination::connect(std::stop_token stop) {
  TopicLimits limits;
  {
    const std::lock_guard lock(mutex_);
    limits = limits_;
  }
  TRY(open(limits));
  TRY(producer_->check(only_topic_, kConnectPatience, stop));
  if (only_topic_.empty() || !depends_on_limits(config_)) return {};
  // Looked at each time: that a topic takes less than before is seen as events that it refuses.
  if (const auto bytes = producer_->batch_bytes_max(only_topic_, kLimitsPatience)) limits.batch_bytes_max = bytes;
  return open(limits);
}

// With a client for such limits, which is made anew when there is none that works.
Result<void> KafkaDestination::open(const TopicLimits& limits) {
  {
    const std::lock_guard lock(mutex_);
    const bool same = client_settings(config_, limits) == client_settings(config_, limits_);
    limits_ = limits;
    open_ = producer_ != nullptr && producer_->usable() && (!lone_producer_ || lone_producer_->usable()) && same;
    if (open_) return {};
  }
  destroy_producer();
  TRY_ASSIGN(auto made, Producer::start(client_settings(config_, limits), {"destination", name_}, metrics_,
                                        [this](std::span<const Report> reports) { on_reports(reports, false); }));
  const std::lock_guard lock(mutex_);
  producer_ = std::move(made);
  open_ = true;
  return {};
}

void KafkaDestination::submit(Batch batch, Completion done) {
  auto made = std::make_unique<Flight>(std::move(batch), std::move(done));
  Flight* const flight = made.get();
  if (!begin(made)) return flight->done(Outcomes::all(closed()));
  const auto& events = flight->batch.events;
  // All of them are written before the first is sent: they move while more come.
  if (config_.format == Format::envelope) {
    flight->envelopes.reserve(flight->batch.bytes + events.size() * kEnvelopeBytes);
    for (const auto& event : events) {
      append_envelope(flight->envelopes, event);
      flight->ends.push_back(flight->envelopes.size());
    }
  }
  Draft draft(*this);
  std::vector<std::pair<Slot*, Outcome>> failed;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (auto outcome = send(*producer_, flight->slots[i], draft))
      failed.emplace_back(&flight->slots[i], std::move(*outcome));
  }
  Flights finished;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [slot, outcome] : failed) {
      flight->fail(*slot, std::move(outcome));
      count_down(*flight, finished);
    }
    count_down(*flight, finished);
  }
  finish(std::move(finished));
}

bool KafkaDestination::begin(std::unique_ptr<Flight>& flight) {
  const std::lock_guard lock(mutex_);
  if (!open_) return false;
  const Flight* const key = flight.get();
  in_flight_.emplace(key, std::move(flight));
  ++unsettled_;
  return true;
}

Result<void> KafkaDestination::name_topic(const Facts& facts, std::string& name) {
  if (!only_topic_.empty()) return {};
  name.clear();
  topic_.append_to(name, facts);
  make_topic_name(name);
  if (!is_topic_name(name)) return fail(ErrorKind::invalid, fmt::format("'{}' is not a name that a topic can have", name));
  const std::lock_guard lock(mutex_);
  if (topics_.contains(name)) return {};
  if (topics_.size() >= kTopicsMax) {
    return fail(ErrorKind::limit,
                fmt::format("topic '{}' would be one more than the {} that a destination writes to", name, kTopicsMax));
  }
  topics_.insert(name);
  return {};
}

std::optional<Outcome> KafkaDestination::send(Producer& producer, Slot& slot, Draft& draft) {
  const auto value = slot.flight->value_of(slot);
  const Facts& facts = slot.flight->event_of(slot).facts;
  if (const auto named = name_topic(facts, draft.topic); !named) return bad_topic(named.error().message);
  draft.key.clear();
  key_.append_to(draft.key, facts);
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    draft.headers[i].second.clear();
    headers_[i].second.append_to(draft.headers[i].second, facts);
  }
  const int code = producer.send({
      .topic = draft.topic,
      .key = draft.key.empty() ? std::nullopt : std::optional<std::string_view>(draft.key),
      .value = value,
      .headers = draft.headers,
      .timestamp = config_.time == MessageTime::timestamp ? facts.timestamp : facts.received_at,
      .tag = &slot,
  });
  if (code == 0) return std::nullopt;
  return penstock::kafka::outcome_of(code, {.topic = draft.topic, .bytes = value.size(), .by_client = true});
}

void KafkaDestination::on_reports(std::span<const Report> reports, bool alone) {
  Flights finished;
  std::vector<Slot*> again;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [tag, code, offset] : reports) {
      auto& slot = *static_cast<Slot*>(tag);
      Flight& flight = *slot.flight;
      if (code != 0) {
        auto outcome = outcome_of(code, flight.event_of(slot));
        const bool others_may_be_guilty = outcome.kind == Outcome::Kind::retry && outcome.code == kTooLarge;
        if (others_may_be_guilty && !alone && open_) {
          again.push_back(&slot);
          continue;
        }
        if (others_may_be_guilty && alone) outcome.kind = Outcome::Kind::rejected;
        flight.fail(slot, std::move(outcome));
      }
      count_down(flight, finished);
    }
  }
  for (Slot* const slot : again) send_alone(*slot);
  finish(std::move(finished));
}

// On the thread of the producer that had it in a batch.
void KafkaDestination::send_alone(Slot& slot) {
  Producer* const producer = lone_producer();
  std::optional<Outcome> failed;
  if (producer != nullptr) {
    Draft draft(*this);
    failed = send(*producer, slot, draft);
  } else {
    failed = closed();  // and so it is connected again, which makes both anew
  }
  if (!failed) return;
  Flights finished;
  {
    const std::lock_guard lock(mutex_);
    slot.flight->fail(slot, *std::move(failed));
    count_down(*slot.flight, finished);
  }
  finish(std::move(finished));
}

// Made on the one thread that wants it, while a batch is under way: nobody destroys it meanwhile.
Producer* KafkaDestination::lone_producer() {
  TopicLimits limits;
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return nullptr;
    if (lone_producer_) return lone_producer_->usable() ? lone_producer_.get() : nullptr;
    limits = limits_;
  }
  // Its numbers would be shown in the place of the other's.
  auto made = Producer::start(lone_client_settings(config_, limits), {"destination", name_}, nullptr,
                              [this](std::span<const Report> reports) { on_reports(reports, true); });
  if (!made) return nullptr;
  const std::lock_guard lock(mutex_);
  lone_producer_ = *std::move(made);
  return lone_producer_.get();
}

Outcome KafkaDestination::outcome_of(int code, const EventView& event) const {
  std::string topic = only_topic_.empty() ? topic_.of(event.facts) : only_topic_;
  make_topic_name(topic);
  const auto trouble = producer_->trouble();
  auto outcome = penstock::kafka::outcome_of(code, {.topic = topic, .bytes = event.body.size(), .trouble = trouble});
  // Found too large by a broker: it, or others in its batch. By itself it is too large for sure when its body alone is.
  const bool too_large = limits_.batch_bytes_max && event.body.size() + kBatchHeaderBytes > *limits_.batch_bytes_max;
  if (outcome.kind == Outcome::Kind::retry && too_large) outcome.kind = Outcome::Kind::rejected;
  return outcome;
}

void KafkaDestination::count_down(Flight& flight, Flights& finished) {
  if (--flight.waits_for > 0) return;
  const auto last = in_flight_.extract(&flight);
  finished.push_back(std::move(last.mapped()));
}

void KafkaDestination::finish(Flights finished) {
  if (finished.empty()) return;
  for (const auto& flight : finished) flight->done(std::move(flight->outcomes));
  const auto count = finished.size();
  finished.clear();  // what they keep is let go before close() returns
  const std::lock_guard lock(mutex_);
  unsettled_ -= count;
  if (unsettled_ == 0) all_settled_.notify_all();  // with the lock: after it, close() may return and this be destroyed
}

void KafkaDestination::close() {
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  destroy_producer();
}

std::string KafkaDestination::trouble() const {
  const std::lock_guard lock(mutex_);
  return producer_ ? producer_->trouble() : std::string();
}

// What is under way gets its reports first. Purged again and again, for a submit that had begun may still be sending.
void KafkaDestination::destroy_producer() {
  std::unique_lock lock(mutex_);
  if (!producer_) return;
  while (unsettled_ > 0) {
    Producer* const lone = lone_producer_.get();
    lock.unlock();
    producer_->purge();
    if (lone != nullptr) lone->purge();
    lock.lock();
    all_settled_.wait_for(lock, kPurgeAgain, [&] { return unsettled_ == 0; });
  }
  const auto lone_gone = std::move(lone_producer_);  // ends last: a report of the other may be about to use it
  const auto gone = std::move(producer_);
  lock.unlock();
}

void register_in(Registry& registry) { registry.destinations.add<KafkaDestination>("kafka"); }

}  // namespace penstock::destinations::kafka
