#include "pipeline/topology/steering.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <set>

#include "pipeline/base/log.h"
#include "pipeline/delivery/moment.h"
#include "pipeline/ingest/refusal.h"
#include "pipeline/scripting/check/condition_check.h"

namespace penstock::topology {
namespace {

bool is_ingest(const dead::Listed& each) { return each.letter.stage == ingest::kIngestStage; }

using ingest::KeptLetter;
using Push = void (ingest::CapturedIntake::*)(const std::vector<KeptLetter>&, std::move_only_function<void(Result<void>)>);

// Waits until they are durable.
Result<void> push_and_wait(ingest::CapturedIntake& intake, Push push, const std::vector<KeptLetter>& letters) {
  std::promise<Result<void>> answer;
  (intake.*push)(letters, [&](Result<void> pushed) { answer.set_value(std::move(pushed)); });
  return answer.get_future().get();
}

Result<delivery::Moment> moment(const char* name, const std::string& text, Timestamp now) {
  auto read = delivery::read_moment(text, now);
  if (!read) return fail(std::move(read).error().context(name));
  return read;
}

// Nothing is between the two when the second is not after the first, whatever the log holds.
Result<void> check_range(const ReplayRequest& request, const delivery::Moment& from, const delivery::Moment& to,
                         Timestamp now) {
  using Kind = delivery::Moment::Kind;
  const auto time = [&](const delivery::Moment& at) {
    return at.kind == Kind::earliest ? std::int64_t{-1} : at.kind == Kind::now ? now.ms : at.time.ms;
  };
  if (time(from) < time(to)) return {};
  std::string advice = "say a --to that is later";
  if (time(from) > time(to))
    advice = fmt::format("the other way round it would be --from {} --to {}", request.to, request.from);
  return fail(ErrorKind::invalid, fmt::format("--from {} --to {} is an empty stretch: it begins {} it ends; {}",
                                              request.from, request.to, time(from) > time(to) ? "after" : "where", advice));
}

}  // namespace

Result<void> Steering::check_planned(const std::string& destination) const {
  if (planned_(destination)) return {};
  return fail(ErrorKind::not_found, fmt::format("there is no destination {}", destination));
}

Result<void> Steering::with_runner(const std::string& destination,
                                   const std::function<void(delivery::DestinationRunner&)>& act) {
  bool found = false;
  find_(destination, [&](RunningDestination* running) {
    found = running != nullptr;
    if (found) act(*running->runner);
  });
  if (found) return {};
  TRY(check_planned(destination));
  return fail(ErrorKind::unavailable, fmt::format("the destination {} does not run here at this moment", destination));
}

// What is written down. One that is being replaced at this moment goes by it when it starts.
void Steering::tell(const std::string& destination, const std::function<void(delivery::DestinationRunner&)>& act) {
  find_(destination, [&](RunningDestination* running) {
    if (running != nullptr) act(*running->runner);
  });
}

Result<void> Steering::pause(const std::string& destination, const std::string& note) {
  const std::lock_guard lock(parts_.orders);
  TRY(check_planned(destination));
  TRY(parts_.catalog().pause(destination, note));
  tell(destination, [&](delivery::DestinationRunner& runner) { runner.pause(note); });
  return {};
}

Result<void> Steering::resume(const std::string& destination) {
  const std::lock_guard lock(parts_.orders);
  TRY(check_planned(destination));
  TRY(parts_.catalog().resume(destination));
  tell(destination, [](delivery::DestinationRunner& runner) { runner.resume(); });
  return {};
}

Result<void> Steering::set_rate(const std::string& destination, const std::optional<delivery::RateSettings>& rate) {
  const std::lock_guard lock(parts_.orders);
  TRY(check_planned(destination));
  if (rate) TRY(parts_.catalog().set_rate(destination, static_cast<std::uint64_t>(rate->events), rate->bytes.count));
  else TRY(parts_.catalog().reset_rate(destination));
  log_info("delivery", "destination {}: its rate was {}", destination, rate ? "changed" : "reset to the configuration's");
  tell(destination, [&](delivery::DestinationRunner& runner) { runner.set_rate(rate); });
  return {};
}

Result<std::uint64_t> Steering::replay(const std::string& destination, const ReplayRequest& request) {
  const std::lock_guard lock(parts_.orders);
  TRY(with_runner(destination, [](auto&) {}));
  TRY_ASSIGN(const auto running, parts_.store().replay(destination));
  if (running) {
    return fail(ErrorKind::conflict,
                fmt::format("{} has a replay with {} events left; wait for it, or cancel it", destination, running->left()));
  }
  const Timestamp now = parts_.clock.now();
  TRY_ASSIGN(const auto from, moment("from", request.from, now));
  TRY_ASSIGN(const auto to, moment("to", request.to, now));
  TRY(check_range(request, from, to, now));
  delivery::ReplayOrder order;
  TRY_ASSIGN(order.next, delivery::offsets_of(from, *parts_.log));
  TRY_ASSIGN(order.to, delivery::offsets_of(to, *parts_.log));
  order.where = request.where;
  order.rate = request.rate;
  order.total = order.left();
  auto where = bind_condition(request.where);
  if (!where) return fail(std::move(where).error().context("where"));
  if (const auto wrong = scripting::unknown_name_in(request.where, scripting::ConditionOf::destination);
      wrong && !request.where.empty()) {
    return fail(ErrorKind::invalid, "where: " + *wrong);
  }
  TRY(parts_.store().save_replay(destination, order, delivery::Sync::yes));
  log_info("delivery", "destination {}: a replay of {} events begins", destination, order.total);
  tell(destination, [&](delivery::DestinationRunner& runner) { runner.replay(order, *std::move(where)); });
  return order.total;
}

Result<void> Steering::cancel_replay(const std::string& destination) {
  const std::lock_guard lock(parts_.orders);
  TRY(with_runner(destination, [](auto&) {}));
  TRY_ASSIGN(const auto running, parts_.store().replay(destination));
  if (!running) return fail(ErrorKind::not_found, fmt::format("{} has no replay", destination));
  // First what can be refused. The runner writes it once more, after what it may have under way.
  TRY(parts_.store().save_replay(destination, std::nullopt, delivery::Sync::yes));
  tell(destination, [](delivery::DestinationRunner& runner) { runner.end_replay(); });
  return {};
}

DeadLetterShelf Steering::shelf() const {
  return {[this](const std::string& id) { return parts_.find_dead(id); },
          [this](const dead::Filter& filter, const dead::Page& page) { return parts_.list_dead(filter, page); }};
}

Result<std::uint64_t> Steering::replay_dead(const DeadLetterChoice& choice) {
  std::set<std::string> stages;
  const auto replayed =
      for_each_page(shelf(), choice, [&](const std::vector<dead::Listed>& letters) -> Result<std::uint64_t> {
        TRY_ASSIGN(const std::uint64_t pushed, push_letters(letters));
        std::vector<std::string> ids;
        for (const auto& each : letters) {
          if (is_ingest(each)) continue;
          ids.push_back(each.id);
          stages.insert(each.letter.stage);
        }
        TRY_ASSIGN(const std::uint64_t marked, parts_.store().want_again(ids));
        return pushed + marked;
      });
  for (const auto& stage : stages) {
    const auto told = with_runner(stage, [](delivery::DestinationRunner& runner) { runner.send_again(); });
    if (!told) log_warning("delivery", "{}: its dead letters are sent again once it runs", stage);
  }
  return replayed;
}

// By source, because the source says where the facts are. The letters stay until ingest has read them: its commit takes them out.
Result<std::uint64_t> Steering::push_letters(const std::vector<dead::Listed>& letters) {
  std::map<std::string, std::vector<KeptLetter>> by_source;
  std::uint64_t count = 0;
  for (const auto& each : letters) {
    if (!is_ingest(each)) continue;
    by_source[each.letter.source].push_back(kept(each));
    ++count;
  }
  for (const auto& [source, of_source] : by_source) {
    ingest::CapturedIntake intake(parts_.identity_of(source), *parts_.log, parts_.clock, {},
                                  parts_.plan.settings.log.pending_max.count, &parts_.gate);
    TRY(push_and_wait(intake, &ingest::CapturedIntake::push_again, of_source));
  }
  return count;
}

// With the shares whose states have it.
ingest::KeptLetter Steering::kept(const dead::Listed& each) const {
  KeptLetter kept{.letter = &each.letter};
  const int shards = parts_.group_log() == nullptr ? 1 : parts_.group_log()->shards();
  for (const auto& [shard, state] : parts_.states().by_shard())
    if (shards == 1 || state->dead_letters().get(each.id)) kept.kept_by.push_back({shard, shards});
  return kept;
}

// Where the log is all that stays, a mark in it keeps them away from a state that is made again from it.
Result<void> Steering::discard_of_ingest(const std::vector<const dead::Listed*>& letters) {
  if (letters.empty()) return {};
  if (parts_.plan.settings.log.type == LogType::kafka) {
    std::vector<KeptLetter> going;
    for (const auto* each : letters) going.push_back(kept(*each));
    ingest::CapturedIntake intake({}, *parts_.log, parts_.clock, {}, parts_.plan.settings.log.pending_max.count,
                                  &parts_.gate);
    TRY(push_and_wait(intake, &ingest::CapturedIntake::take_out, going));
  }
  std::vector<std::string> ids;
  for (const auto* each : letters) ids.push_back(each->id);
  for (const auto& state : parts_.states().all()) TRY(state->remove_dead_letters(ids));
  return {};
}

Result<std::uint64_t> Steering::discard_dead(const DeadLetterChoice& choice) {
  std::set<std::string> stages;
  auto discarded = for_each_page(shelf(), choice, [&](const std::vector<dead::Listed>& letters) -> Result<std::uint64_t> {
    std::vector<const dead::Listed*> of_ingest;
    std::vector<std::string> of_destinations;
    for (const auto& each : letters) {
      if (is_ingest(each)) {
        of_ingest.push_back(&each);
        continue;
      }
      of_destinations.push_back(each.id);
      stages.insert(each.letter.stage);
    }
    TRY(discard_of_ingest(of_ingest));
    if (!of_destinations.empty()) TRY(parts_.store().discard(of_destinations));
    return letters.size();
  });
  for (const auto& stage : stages) {
    const auto tell = [&](RunningDestination* running) {
      if (running != nullptr) running->runner->letters_discarded();
    };
    find_(stage, tell);
  }
  return discarded;
}

}  // namespace penstock::topology
