#include "pipeline/cli/steer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "pipeline/cli/control_client.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"

namespace penstock::cli {
namespace {

namespace json = boost::json;

struct Order {
  Target target;
  std::string destination;
  std::string note;
  std::optional<std::int64_t> events;
  std::string bytes;
  bool reset = false;
  std::string from;
  std::string to = "now";
  std::string where;
  int rate = 0;
  bool cancel = false;
  std::vector<std::string> ids;
  std::string stage;
  std::string code;
  bool all = false;
};

Result<std::string> tell(const Order& order, const topology::PlanContext& context, const std::string& path,
                         const json::object& body) {
  TRY_ASSIGN(const auto client, ControlClient::find(order.target, context));
  return client.post(path, json::serialize(body));
}

int tell_destination(const Order& order, const topology::PlanContext& context, const std::string& verb,
                     const json::object& body, const std::string& done) {
  const auto told =
      tell(order, context, fmt::format("/api/destinations/{}/{}", percent_encode(order.destination), verb), body);
  if (!told) return refuse(told.error());
  fmt::print("{} {}\n", order.destination, done);
  return kOk;
}

bool has_suspended_app(const json::value& destination) {
  const auto& apps = destination.at("apps").as_array();
  return std::ranges::any_of(apps, [](const json::value& app) { return app.at("suspended").as_bool(); });
}

// What becomes of a destination that is told to go on, by what it did before.
Result<std::string> what_resuming_does(const Order& order, const topology::PlanContext& context) {
  TRY_ASSIGN(const auto client, ControlClient::find(order.target, context));
  TRY_ASSIGN(const std::string status, client.get("/api/status"));
  const json::value parsed = json::parse(status);
  for (const json::value& destination : parsed.at("destinations").as_array()) {
    if (destination.at("name").as_string() != order.destination) continue;
    const std::string health(destination.at("health").as_string());
    if (health == "paused" || health == "suspended") return "goes on";
    if (health == "unavailable") return "is tried again now; it was not paused or suspended";
    return has_suspended_app(destination) ? "tries its suspended apps again" : "was not stopped: it is " + health;
  }
  return "goes on";  // the order will say that there is none
}

int resume_destination(const Order& order, const topology::PlanContext& context) {
  const auto done = what_resuming_does(order, context);
  return done ? tell_destination(order, context, "resume", {}, *done) : refuse(done.error());
}

int change_rate(const Order& order, const topology::PlanContext& context) {
  if (!order.reset && !order.events && order.bytes.empty()) {
    fmt::print(stderr, "penstock: say what the rate is to be: --events, --bytes, or --reset\n");
    return kUsage;
  }
  json::object body;
  if (order.events) body["events"] = *order.events;
  if (!order.bytes.empty()) body["bytes"] = std::stoull(order.bytes);
  return tell_destination(order, context, "rate", body,
                          order.reset ? "goes at the rate of its configuration" : "goes at the new rate, until it is reset");
}

int replay_log(const Order& order, const topology::PlanContext& context) {
  if (order.cancel) return tell_destination(order, context, "cancel-replay", {}, "gets no more of the replay");
  if (order.from.empty()) {
    fmt::print(stderr, "penstock: from when on? --from 2h, --from 2026-08-01T10:00:00Z or --from earliest\n");
    return kUsage;
  }
  const auto told = tell(order, context, fmt::format("/api/destinations/{}/replay", percent_encode(order.destination)),
                         {{"from", order.from}, {"to", order.to}, {"where", order.where}, {"rate", order.rate}});
  if (!told) return refuse_order(told.error());
  fmt::print("{} gets {} events again, beside what is live; `penstock status` shows how many are left\n", order.destination,
             json::parse(*told).at("events").to_number<std::uint64_t>());
  return kOk;
}

// Everything is a lot to do by leaving something out, so it has to be said.
int choose_letters(const Order& order, const topology::PlanContext& context, const std::string& verb,
                   const std::string& done) {
  json::object body;
  if (!order.ids.empty()) body["ids"] = json::array(order.ids.begin(), order.ids.end());
  if (!order.stage.empty()) body["stage"] = order.stage;
  if (!order.code.empty()) body["code"] = order.code;
  if (body.empty() && !order.all) {
    fmt::print(stderr, "penstock: say which: ids, --stage, --code, or --all\n");
    return kUsage;
  }
  const auto told = tell(order, context, "/api/dead/" + verb, body);
  if (!told) return refuse_order(told.error());
  const auto count = json::parse(*told).at("count").to_number<std::uint64_t>();
  fmt::print("{} {} {}\n", counted(count, "dead letter"), count == 1 ? "is" : "are", done);
  return kOk;
}

void add_choice_of_letters(CLI::App& command, Order& order) {
  add_target(command, order.target);
  command.add_option("ids", order.ids, "As `dead list` prints them");
  command.add_option("--stage", order.stage, "ingest, or a destination's name");
  command.add_option("--code", order.code, "Only with this code, e.g. http_400");
  command.add_flag("--all", order.all, "All there are");
}

void add_destination(CLI::App& command, Order& order) {
  command.add_option("destination", order.destination, "Its name")->required();
  add_target(command, order.target);
}

}  // namespace

void add_steering(CLI::App& app, CLI::App& dead, Command& chosen) {
  static Order order;
  auto* pause = add(app, "pause", "Send nothing more to a destination until it is resumed; nothing is lost meanwhile",
                    "penstock pause crm --note 'they migrate'", chosen, [](const auto& context) {
                      return tell_destination(order, context, "pause", {{"note", order.note}}, "is paused");
                    });
  add_destination(*pause, order);
  pause->add_option("--note", order.note, "Why; shown in status");
  auto* resume = add(app, "resume", "End a destination's pause or suspension, and try its suspended apps again",
                     "penstock resume crm", chosen, [](const auto& context) { return resume_destination(order, context); });
  add_destination(*resume, order);

  auto* rate = add(app, "rate", "Change how fast a destination is written to, without changing the configuration",
                   "penstock rate crm --events 50", chosen, [](const auto& context) { return change_rate(order, context); });
  add_destination(*rate, order);
  auto* events =
      rate->add_option("--events", order.events, "Events a second; 0 is no limit")->check(CLI::Range(0, 10'000'000));
  auto* bytes = rate->add_option("--bytes", order.bytes, "Bytes a second, such as 500000 or 1MiB; 0 is no limit")
                    ->transform(CLI::AsSizeValue(false))
                    ->check(CLI::Range(0LL, 100LL << 30));
  rate->add_flag("--reset", order.reset, "Back to what the configuration says")->excludes(events)->excludes(bytes);

  auto* again = add(app, "replay", "Send a stretch of the log to a destination once more, beside what is live",
                    "penstock replay crm --from 2h --to 1h --where 'event.properties.plan == \"pro\"' --rate 500", chosen,
                    [](const auto& context) { return replay_log(order, context); });
  add_destination(*again, order);
  auto* from =
      again->add_option("--from", order.from, "earliest, a time, or how long ago: by when events came into the log");
  auto* to = again->add_option("--to", order.to, "The same; now")->capture_default_str();
  auto* where = again->add_option("--where", order.where, "A Lua expression over event and facts, as in `when:`");
  auto* pace =
      again->add_option("--rate", order.rate, "Events a second; 0 is as fast as it goes")->check(CLI::Range(0, 10'000'000));
  again->add_flag("--cancel", order.cancel, "End the one that runs")
      ->excludes(from)
      ->excludes(to)
      ->excludes(where)
      ->excludes(pace);

  auto* replay = add(dead, "replay",
                     "Send letters again: to the destination they died at, or through ingest with the apps as they are now",
                     "penstock dead replay --stage crm --code http_400", chosen,
                     [](const auto& context) { return choose_letters(order, context, "replay", "sent again"); });
  add_choice_of_letters(*replay, order);
  auto* discard = add(dead, "discard", "Throw letters away", "penstock dead discard --stage crm --code http_400", chosen,
                      [](const auto& context) { return choose_letters(order, context, "discard", "thrown away"); });
  add_choice_of_letters(*discard, order);
}

}  // namespace penstock::cli
