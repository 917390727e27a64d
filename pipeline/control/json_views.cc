#include "pipeline/control/json_views.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <boost/json.hpp>

#include "pipeline/event/json.h"
#include "pipeline/event/timestamps.h"

namespace penstock::control {
namespace {

namespace json = boost::json;

// A path or an id may be any bytes; JSON may not.
json::string clean(const std::string& text) {
  std::string quoted;
  penstock::json::append_string(quoted, text);
  return json::parse(quoted).as_string();
}

json::object log_view(const topology::LogStatus& log) { return {{"bytes", log.bytes}, {"events", log.events}}; }

json::array source_views(const std::vector<topology::SourceStatus>& sources) {
  json::array out;
  for (const auto& s : sources) {
    out.push_back(json::object{{"name", s.name},
                               {"type", s.type},
                               {"finite", s.finite},
                               {"health", s.trouble.empty() ? "healthy" : "unavailable"},
                               {"reason", clean(s.trouble)}});
  }
  return out;
}

json::array input_views(const std::vector<topology::InputStatus>& inputs) {
  const auto number = [](const auto& value) { return value ? json::value(*value) : json::value(); };
  json::array out;
  for (const auto& i : inputs) {
    out.push_back(json::object{{"name", i.name},
                               {"lag_events", number(i.lag_events)},
                               {"lag_bytes", number(i.lag_bytes)},
                               {"lag_seconds", i.lag_seconds}});
  }
  return out;
}

json::array app_views(const std::vector<topology::AppStatus>& apps) {
  json::array out;
  for (const auto& a : apps) {
    out.push_back(json::object{{"name", a.name},
                               {"version", a.version},
                               {"checksum", a.checksum},
                               {"events", a.events},
                               {"dropped", a.dropped},
                               {"errors", a.errors},
                               {"passed_by", a.passed_by},
                               {"suspended", a.suspended},
                               {"reason", clean(a.reason)}});
  }
  return out;
}

json::array destination_views(const std::vector<topology::DestinationStatus>& destinations) {
  json::array out;
  for (const auto& d : destinations) {
    out.push_back(json::object{{"name", d.name},
                               {"type", d.type},
                               {"health", d.health},
                               {"reason", clean(d.reason)},
                               {"delivered", d.delivered},
                               {"filtered", d.filtered},
                               {"dead", d.dead},
                               {"lag_events", d.lag_events},
                               {"lag_seconds", d.lag_seconds},
                               {"skipped", d.skipped},
                               {"retries", d.retries},
                               {"in_flight", d.in_flight},
                               {"retrying", d.retrying},
                               {"blocked_keys", d.blocked_keys},
                               {"again_waiting", d.again_waiting},
                               {"replay_left", d.replay_left ? json::value(*d.replay_left) : json::value()},
                               {"replay_stopped", clean(d.replay_stopped)},
                               {"replay_undecided", d.replay_undecided},
                               {"replay_skipped", d.replay_skipped},
                               {"apps", app_views(d.apps)}});
  }
  return out;
}

json::object letter_view(const std::string& id, const DeadLetter& letter, std::uint64_t bytes) {
  return {{"id", id},
          {"uuid", letter.uuid.to_string()},
          {"stage", letter.stage},
          {"app", letter.app},
          {"code", letter.code},
          {"reason", clean(letter.reason)},
          {"source", clean(letter.source)},
          {"place", clean(letter.place)},
          {"event", clean(letter.event)},
          {"distinct_id", clean(letter.distinct_id)},
          {"attempts", letter.attempts},
          {"received_at", format_timestamp(letter.received_at)},
          {"first_at", format_timestamp(letter.first_at)},
          {"last_at", format_timestamp(letter.last_at)},
          {"bytes", bytes}};
}

bool valid_utf8(const std::string& text) {
  boost::system::error_code error;
  json::parse(json::serialize(json::string(text)), error);
  return !error;
}

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace

namespace {

json::value group_view(const std::optional<topology::GroupStatus>& group) {
  if (!group) return nullptr;
  return json::object{{"shards", group->shards},
                      {"here", json::value_from(group->here)},
                      {"restoring", json::value_from(group->restoring)},
                      {"rebalances", group->rebalances},
                      {"restored_in_max_ms", group->restored_in_max.count()},
                      {"trouble", group->trouble},
                      {"sources_differ", group->sources_differ}};
}

}  // namespace

std::string to_json(const topology::PipelineStatus& s) {
  return json::serialize(
      json::object{{"version", s.version},
                   {"file", s.file},
                   {"state", s.state},
                   {"healthy", s.healthy},
                   {"verdict", s.verdict},
                   {"started_at", format_timestamp(s.started_at)},
                   {"ingest", json::object{{"idle", s.ingest_idle},
                                           {"workers", s.workers},
                                           {"chain_version", fmt::format("{:016x}", s.chain_version)},
                                           {"kept", s.ingest_kept},
                                           {"dropped", s.ingest_dropped},
                                           {"duplicates", s.ingest_duplicates},
                                           {"dead", s.ingest_dead}}},
                   {"group", group_view(s.group)},
                   {"log", json::object{{"captured", log_view(s.captured)}, {"events", log_view(s.events)}}},
                   {"sources", source_views(s.sources)},
                   {"inputs", input_views(s.inputs)},
                   {"apps", app_views(s.apps)},
                   {"apps_refused", clean(s.apps_refused)},
                   {"sources_wait_for", clean(s.sources_wait_for)},
                   {"destinations", destination_views(s.destinations)}});
}

std::string to_json(const topology::ReloadReport& report) {
  json::array changes;
  for (const auto& change : report.changes) changes.push_back(json::string(change));
  return json::serialize(json::object{{"changes", changes}});
}

std::string to_json(const topology::BackupReport& report) {
  return json::serialize(
      json::object{{"events", report.events}, {"captured", report.captured}, {"log_bytes", report.log_bytes}});
}

std::string to_json(const config::Problems& problems) {
  json::array out;
  for (const auto& problem : problems) out.push_back(json::string(problem.to_string()));
  return json::serialize(json::object{{"error", "the configuration is invalid; nothing was changed"}, {"problems", out}});
}

std::string to_json(const std::vector<dead::Listed>& letters, const dead::Page& page) {
  json::array out;
  for (const auto& [id, letter, bytes] : letters) out.push_back(letter_view(id, letter, bytes));
  json::value next = nullptr;
  if (dead::fills(letters, page)) next = json::string(letters.back().id);
  return json::serialize(json::object{{"dead_letters", out}, {"next", next}});
}

std::string to_json(const std::string& id, const DeadLetter& letter) {
  auto view = letter_view(id, letter, letter.body.size());
  if (valid_utf8(letter.body)) {
    view["body"] = letter.body;
  } else {
    view["body_base64"] = base64(letter.body);
  }
  return json::serialize(view);
}

}  // namespace penstock::control
