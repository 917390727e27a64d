#include "pipeline/event/envelope.h"

#include "pipeline/event/json.h"
#include "pipeline/event/timestamps.h"

namespace penstock {

void append_envelope(std::string& out, const EventView& event) {
  const auto text = [&](std::string_view name, std::string_view value) {
    out += ",\"";
    out += name;
    out += "\":";
    json::append_string(out, value);
  };
  const auto& facts = event.facts;
  out += "{\"uuid\":\"";
  const auto at = out.size();
  out.resize(at + 36);
  facts.uuid.format_to(out.data() + at);
  out += '"';
  text("project", facts.project);
  text("event", facts.event);
  if (!facts.distinct_id.empty()) text("distinct_id", facts.distinct_id);
  if (!facts.person_id.empty()) text("person_id", facts.person_id);
  out += ",\"timestamp\":\"";
  append_timestamp(out, facts.timestamp);
  out += "\",\"received_at\":\"";
  append_timestamp(out, facts.received_at);
  out += '"';
  text("source", facts.source);
  if (event.replayed) out += ",\"replayed\":true";
  out += ",\"data\":";
  out += event.body;
  out += '}';
}

void append_line(std::string& out, const EventView& event, bool enveloped) {
  const auto begin = out.size();
  if (enveloped) {
    append_envelope(out, event);
  } else {
    out += event.body;
  }
  for (const char line_break : {'\n', '\r'}) {
    for (auto at = out.find(line_break, begin); at != std::string::npos; at = out.find(line_break, at)) out[at] = ' ';
  }
  out += '\n';
}

}  // namespace penstock
