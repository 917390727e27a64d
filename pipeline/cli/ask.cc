// Commands that ask a running process: status, reload, dead list, dead show.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <iterator>

#include "pipeline/base/printable.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/control_client.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/control/json_views.h"
#include "pipeline/topology/dead_letters.h"

namespace penstock::cli {
namespace {

namespace json = boost::json;

std::string raw_text(const json::value& object, std::string_view key) {
  const auto* value = object.as_object().if_contains(key);
  if (value == nullptr) return {};
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

// For a line on the terminal: much of it was chosen by senders and receivers.
std::string text(const json::value& object, std::string_view key) { return printable(raw_text(object, key)); }

// A reason may go on with a traceback, which `dead show` shows.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Further lines stand below the first, so that none can pass for a member of its own.
std::string below(const std::string& text, std::size_t margin) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\n" + std::string(margin, ' ') : std::string(1, c);
  return out;
}

Result<json::value> parse(const std::string& text) {
  boost::system::error_code error;
  auto parsed = json::parse(text, error);
  if (error) return fail(ErrorKind::corrupt, "what penstock says is not JSON: " + error.message());
  return parsed;
}

Result<json::value> ask_json(const Target& target, const topology::PlanContext& context, const std::string& path) {
  TRY_ASSIGN(const auto client, ControlClient::find(target, context));
  TRY_ASSIGN(const std::string body, client.get(path));
  return parse(body);
}

// Dead letters outlive the process: when none runs, the data folder itself is read. `read` gives what the API would.
template <class Read>
Result<json::value> ask_dead(const Target& target, const topology::PlanContext& context, const std::string& path,
                             Read read) {
  auto answer = ask_json(target, context, path);
  if (answer || !target.url.empty()) return answer;
  const auto data = data_folder(target, context);
  if (!data) return answer;
  const auto stopped = topology::StoppedPipeline::open(*data);
  if (!stopped) return answer;
  TRY_ASSIGN(const std::string text, read(*stopped));
  return parse(text);
}

std::string app_line(const json::value& app) {
  const auto number = [&app](std::string_view key) { return app.at(key).to_number<std::uint64_t>(); };
  return fmt::format("app {} {} ({}): {}, {} dropped, {}{}", text(app, "name"), text(app, "version"),
                     text(app, "checksum").substr(0, 8), counted(number("events"), "event"), number("dropped"),
                     counted(number("errors"), "error"), app.at("suspended").as_bool() ? ", suspended" : "");
}

void print_destinations(const json::array& destinations) {
  fmt::print("\n{:<16} {:<12} {:<12} {:>11} {:>9} {:>7} {:>10} {:>8}  {}\n", "destination", "type", "health", "delivered",
             "filtered", "dead", "lag", "lag s", "reason");
  const auto print_more = [](const json::value& d, std::string_view member, std::string_view sentence) {
    const auto* number = d.as_object().if_contains(member);
    const bool some = number != nullptr && number->is_number() && number->to_number<std::uint64_t>() > 0;
    if (some) fmt::print("{:<16} {}: {}\n", "", sentence, json::serialize(*number));
  };
  for (const auto& d : destinations) {
    fmt::print("{:<16} {:<12} {:<12} {:>11} {:>9} {:>7} {:>10} {:>8.1f}  {}\n", text(d, "name"), text(d, "type"),
               text(d, "health"), text(d, "delivered"), text(d, "filtered"), text(d, "dead"), text(d, "lag_events"),
               d.at("lag_seconds").to_number<double>(), text(d, "reason"));
    print_more(d, "replay_left", "replay, events left");
    if (const auto stopped = text(d, "replay_stopped"); !stopped.empty())
      fmt::print("{:<16} replay stopped: {}\n", "", stopped);
    print_more(d, "replay_undecided", "replay, events not sent, for its `where` failed on them");
    print_more(d, "replay_skipped", "replay, removed by retention before they were read");
    print_more(d, "again_waiting", "retry lane, dead letters waiting");
    print_more(d, "retrying", "writes that wait for another try");
    print_more(d, "blocked_keys", "distinct ids that a dead letter holds up");
    print_more(d, "skipped", "removed by retention before they were read");
    for (const auto& app : d.at("apps").as_array()) fmt::print("{:<16} {}\n", "", app_line(app));
  }
}

void print_group(const json::value& group) {
  if (group.is_null()) return;
  const auto list = [&](const char* name) {
    std::string numbers;
    for (const auto& shard : group.at(name).as_array()) numbers += fmt::format(" {}", shard.to_number<std::int64_t>());
    return numbers.empty() ? " none" : numbers;
  };
  fmt::print("group: of {} shards here{}, coming{}; {} rebalances\n", text(group, "shards"), list("here"), list("restoring"),
             text(group, "rebalances"));
}

void print_status(const json::value& s) {
  const auto& ingest = s.at("ingest");
  const auto& logs = s.at("log");
  fmt::print("{} ({}), version {}, up since {}\n", text(s, "file"), text(s, "state"), text(s, "version"),
             text(s, "started_at"));
  fmt::print("ingest since then: {} kept, {} dropped, {} duplicates, {} dead; chain {}\n", text(ingest, "kept"),
             text(ingest, "dropped"), text(ingest, "duplicates"), text(ingest, "dead"), text(ingest, "chain_version"));
  print_group(s.at("group"));
  fmt::print("log: captured {} events in {} bytes, events {} in {} bytes\n", text(logs.at("captured"), "events"),
             text(logs.at("captured"), "bytes"), text(logs.at("events"), "events"), text(logs.at("events"), "bytes"));
  for (const auto& source : s.at("sources").as_array())
    fmt::print("source {} ({}){}{}\n", text(source, "name"), text(source, "type"),
               text(source, "reason").empty() ? "" : ": unavailable: ", text(source, "reason"));
  for (const auto& input : s.at("inputs").as_array()) {
    const bool events = input.at("lag_events").is_number();
    fmt::print("input {}: {} {} wait for ingest, {:.1f} s\n", text(input, "name"),
               text(input, events ? "lag_events" : "lag_bytes"), events ? "events" : "bytes",
               input.at("lag_seconds").to_number<double>());
  }
  for (const auto& app : s.at("apps").as_array()) fmt::print("{}\n", app_line(app));
  if (const std::string waits = text(s, "sources_wait_for"); !waits.empty()) fmt::print("sources wait: {}\n", waits);
  if (const std::string refused = raw_text(s, "apps_refused"); !refused.empty())
    fmt::print("the apps on disk are not those that run: {}\n", below(printable_lines(refused), 2));
  print_destinations(s.at("destinations").as_array());
  fmt::print("\n{}\n", text(s, "verdict"));
}

std::string dead_path(const DeadListOptions& options) {
  std::string path = fmt::format("/api/dead?limit={}", options.limit);
  if (!options.stage.empty()) path += "&stage=" + percent_encode(options.stage);
  if (!options.code.empty()) path += "&code=" + percent_encode(options.code);
  if (!options.after.empty()) path += "&after=" + percent_encode(options.after);
  return path;
}

void print_dead(const json::value& answer) {
  const auto& letters = answer.at("dead_letters").as_array();
  if (letters.empty()) {
    fmt::print("no dead letters\n");
    return;
  }
  for (const auto& letter : letters) {
    const std::string app = text(letter, "app");
    const std::string place = text(letter, "place");  // of what came from there, and never was an event
    fmt::print("{}\n  {}  {}{}  {}  event {}  {}{}\n  {}\n", text(letter, "id"), text(letter, "last_at"),
               text(letter, "stage"), app.empty() ? "" : " (app " + app + ")", text(letter, "code"),
               text(letter, "event").empty() ? "?" : text(letter, "event"),
               counted(letter.at("bytes").to_number<std::uint64_t>(), "byte"), place.empty() ? "" : "  from " + place,
               printable(first_line(raw_text(letter, "reason"))));
  }
  if (answer.at("next").is_string()) fmt::print("\nmore: penstock dead list --after {}\n", text(answer, "next"));
  fmt::print("\none with its bytes: penstock dead show ID\n");
}

}  // namespace

int status(const Target& target, bool as_json, const topology::PlanContext& context) {
  const auto answer = ask_json(target, context, "/api/status");
  if (!answer) return refuse(answer.error());
  if (as_json) {
    fmt::print("{}\n", json::serialize(*answer));
  } else {
    print_status(*answer);
  }
  return answer->at("healthy").as_bool() ? kOk : kNotWell;
}

int reload(const Target& target, const topology::PlanContext& context) {
  const auto client = ControlClient::find(target, context);
  if (!client) return refuse(client.error());
  const auto body = client->post("/api/reload");
  const bool refused = !body && body.error().kind == ErrorKind::conflict;  // a difference that needs a restart, say
  if (!body) return refused ? refuse(body.error(), kNotWell) : refuse(body.error());
  const auto report = json::parse(*body);
  const auto& changes = report.at("changes").as_array();
  for (const auto& change : changes) fmt::print("{}\n", std::string(change.as_string()));
  if (changes.empty()) fmt::print("nothing differs\n");
  return kOk;
}

int list_dead(const Target& target, const DeadListOptions& options, const topology::PlanContext& context) {
  const auto answer =
      ask_dead(target, context, dead_path(options), [&](const topology::StoppedPipeline& stopped) -> Result<std::string> {
        const dead::Page page{.limit = static_cast<std::size_t>(options.limit), .after = options.after, .bodies = false};
        TRY_ASSIGN(const auto letters, stopped.list({.stage = options.stage, .code = options.code, .since = {}}, page));
        return control::to_json(letters, page);
      });
  if (!answer) return refuse_order(answer.error());
  if (options.json) {
    fmt::print("{}\n", json::serialize(*answer));
  } else {
    print_dead(*answer);
  }
  return kOk;
}

int show_dead(const Target& target, const std::string& id, bool as_json, const topology::PlanContext& context) {
  const auto answer = ask_dead(target, context, "/api/dead/" + percent_encode(id),
                               [&](const topology::StoppedPipeline& stopped) -> Result<std::string> {
                                 TRY_ASSIGN(const DeadLetter letter, stopped.find(id));
                                 return control::to_json(id, letter);
                               });
  if (!answer) return refuse(answer.error());
  if (as_json) {
    fmt::print("{}\n", json::serialize(*answer));
    return kOk;
  }
  for (const auto& [key, value] : answer->as_object()) {
    if (key != "body")
      fmt::print("{:<12} {}\n", std::string(key) + ":",
                 below(printable_lines(raw_text(*answer, std::string_view(key))), 13));
  }
  // Whoever takes it elsewhere wants its bytes.
  const std::string body = raw_text(*answer, "body");
  if (!body.empty()) fmt::print("\n{}\n", isatty(STDOUT_FILENO) == 1 ? printable_lines(body) : body);
  return kOk;
}

}  // namespace penstock::cli
