#include "pipeline/delivery/preparation.h"

#include <algorithm>
#include <utility>

namespace penstock::delivery {
namespace {

// Of what apps make of one event: all of it is in memory at once.
constexpr std::size_t kMadeBytesMax = 16 << 20;

std::size_t bytes_of(const std::vector<EventView>& events) {
  std::size_t bytes = 0;
  for (const EventView& event : events) bytes += event.body.size();
  return bytes;
}

// No app touched it, or what they did came to nothing: the log's own memory is as good.
bool untouched(const std::vector<EventView>& made, const EventView& event) {
  return made.size() == 1 && made.front().body.data() == event.body.data() && made.front().body.size() == event.body.size();
}

}  // namespace

const Prepared& Preparation::filter_and_run(const EventView& event) {
  if (parts_.when) {
    const auto wanted = parts_.when(event.body, event.facts);
    if (!wanted) return fail_with({}, "when_error", "`when` failed: " + wanted.error().message);
    if (!*wanted) return settle(Prepared::Kind::filtered);
  }
  return prepare_wanted(event);
}

const Prepared& Preparation::prepare_replayed(const EventView& event, When& where) {
  if (parts_.when && !parts_.when(event.body, event.facts).value_or(false)) return settle(Prepared::Kind::filtered);
  if (!where) return prepare_wanted(event);
  const auto wanted = where(event.body, event.facts);
  if (wanted) return *wanted ? prepare_wanted(event) : settle(Prepared::Kind::filtered);
  prepared_.reason = wanted.error().message;
  return settle(Prepared::Kind::undecided);
}

const Prepared& Preparation::prepare_wanted(const EventView& event) {
  if (!parts_.apps) return run_apps(event);
  if (const auto indexed = json::index_object(event.body, index_); !indexed)
    return fail_with({}, "invalid_json", indexed.error().message);
  return run_apps(event);
}

void Preparation::begin_rehearsal() {
  rehearsing_ = true;
  parts_.apps->begin_batch({}, nullptr);
}

void Preparation::end_rehearsal() {
  if (!std::exchange(rehearsing_, false)) return;
  parts_.apps->judge();
  parts_.apps->give_up_batch();
}

const Prepared& Preparation::run_apps(const EventView& event) {
  prepared_.made = false;
  prepared_.events = {&event, 1};
  if (!parts_.apps) return settle(Prepared::Kind::goes);
  rehearsing_ ? parts_.apps->set_time(event.facts.received_at) : parts_.apps->begin_batch(event.facts.received_at, nullptr);
  const bool canonical = std::ranges::find(parts_.mapped_sources, event.facts.source) == parts_.mapped_sources.end();
  parts_.apps->run(index_, event.facts, canonical, transformed_);
  switch (transformed_.kind) {
    case Transformed::Kind::dropped: return settle(Prepared::Kind::dropped);
    case Transformed::Kind::failed:
      if (!transformed_.traceback.empty()) transformed_.reason += "\n" + transformed_.traceback;
      return fail_with(transformed_.app, transformed_.code, transformed_.reason);
    case Transformed::Kind::kept: break;
  }
  if (bytes_of(transformed_.events) > kMadeBytesMax)
    return fail_with({}, "output_too_large", "what the apps made of it is more than 16 MiB");
  if (untouched(transformed_.events, event)) return settle(Prepared::Kind::goes);
  for (EventView& made : transformed_.events) made.replayed = event.replayed;
  prepared_.made = true;
  prepared_.events = transformed_.events;
  return settle(Prepared::Kind::goes);
}

const Prepared& Preparation::settle(Prepared::Kind kind) {
  prepared_.kind = kind;
  return prepared_;
}

const Prepared& Preparation::fail_with(std::string app, std::string code, std::string reason) {
  prepared_.app = std::move(app);
  prepared_.code = std::move(code);
  prepared_.reason = std::move(reason);
  return settle(Prepared::Kind::failed);
}

}  // namespace penstock::delivery
