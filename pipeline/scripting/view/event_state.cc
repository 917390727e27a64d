#include "pipeline/scripting/view/event_state.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pipeline/event/timestamps.h"

namespace penstock::scripting {
namespace {

bool is_none(std::string_view raw) { return raw.empty() || raw == "null"; }

std::unexpected<Error> refuse(std::string_view field, std::string_view expected, std::string_view raw) {
  return fail(ErrorKind::invalid, fmt::format("field '{}': expected {}, got {}", field, expected,
                                              raw.empty()       ? "nil"
                                              : raw.size() > 60 ? raw.substr(0, 60)
                                                                : raw));
}

}  // namespace

bool is_canonical_field(std::string_view key) {
  switch (key.size()) {
    case 4: return key == "uuid";
    case 5: return key == "event";
    case 9: return key == "timestamp";
    case 11: return key == "distinct_id";
    default: return false;
  }
}

void EventState::open(const json::ObjectIndex& body, const Facts& facts, bool canonical) {
  open(body.text(), facts, canonical);
  document_.open(body);
}

void EventState::open(std::string_view body, const Facts& facts, bool canonical) {
  document_.open(body);
  facts_ = facts;
  canonical_ = canonical;
  marked_ = false;
  kept_.reset();
}

Result<void> EventState::open_made(std::string_view body, EventState& parent) {
  // What can be no fact may have come from the client, and was none then either.
  constexpr std::array kFields{"event", "distinct_id", "timestamp", "uuid"};
  std::array<std::string_view, kFields.size()> before;
  std::ranges::transform(kFields, before.begin(), [&](const char* key) { return parent.field(key); });
  const Facts facts = parent.facts_;
  const bool canonical = parent.canonical_;
  if (this != &parent) forget_mark();
  document_.open(body);
  facts_ = facts;
  canonical_ = canonical;
  if (!canonical) return {};
  TRY(document_.look_into(Document::kRoot));
  bool has_id = false;
  for (const Document::Entry& entry : document_.entries(Document::kRoot)) {
    const auto place = std::ranges::find(kFields, entry.key);
    if (place == kFields.end()) continue;
    has_id |= entry.key == "distinct_id" && !is_none(entry.raw);
    const auto assigned = assign_fact(entry.key, entry.raw);
    if (!assigned && before[static_cast<std::size_t>(place - kFields.begin())] != entry.raw) return assigned;
  }
  if (!has_id && !id_in_properties().empty()) take_id_from_properties();
  return {};
}

void EventState::set_uuid(const Uuid& uuid) {
  facts_.uuid = uuid;
  if (!canonical_) return;
  const std::size_t place = document_.find(Document::kRoot, "uuid");
  if (place == Document::kNowhere) return;
  char* text = arena_.allocate(38);
  text[0] = text[37] = '"';
  uuid.format_to(text + 1);
  document_.replace(Document::kRoot, place, {text, 38});
}

// The value of a top-level field; empty when there is none.
std::string_view EventState::field(std::string_view key) {
  if (!document_.look_into(Document::kRoot)) return {};
  const std::size_t place = document_.find(Document::kRoot, key);
  if (place == Document::kNowhere) return {};
  const Document::Entry& entry = document_.entries(Document::kRoot)[place];
  return entry.removed ? std::string_view() : entry.raw;
}

bool EventState::takes_id_from_properties() { return canonical_ && is_none(field("distinct_id")); }

std::string_view EventState::id_in_properties() {
  const std::size_t place = document_.find(Document::kRoot, "properties");
  if (place == Document::kNowhere) return {};
  const Document::Entry& entry = document_.entries(Document::kRoot)[place];
  if (entry.removed || entry.raw.front() != '{') return {};
  const NodeId properties = document_.child(Document::kRoot, place);
  if (properties == Document::kNone || !document_.look_into(properties)) return {};
  const std::size_t id = document_.find(properties, "distinct_id");
  if (id == Document::kNowhere || document_.entries(properties)[id].removed) return {};
  const std::string_view raw = document_.entries(properties)[id].raw;
  return is_none(raw) ? std::string_view() : raw;
}

void EventState::take_id_from_properties() {
  const std::string_view raw = id_in_properties();
  switch (raw.empty() ? json::Kind::null : json::kind_of(raw)) {
    case json::Kind::null: facts_.distinct_id = {}; break;
    case json::Kind::string: facts_.distinct_id = arena_.copy(json::unescape(raw, scratch_)); break;
    case json::Kind::object:
    case json::Kind::array:
      scratch_.clear();
      json::append_compact(scratch_, raw);
      facts_.distinct_id = arena_.copy(scratch_);
      break;
    default: facts_.distinct_id = raw;
  }
}

Result<void> EventState::assign_fact(std::string_view key, std::string_view raw) {
  const json::Kind kind = json::kind_of(raw);
  const bool text = kind == json::Kind::string;
  if (key == "event") {
    const std::string_view name = text ? json::unescape(raw, scratch_) : "";
    if (name.empty()) return refuse(key, "the event's name", raw);
    facts_.event = arena_.copy(name);
  } else if (key == "distinct_id") {
    if (kind == json::Kind::object || kind == json::Kind::array) return refuse(key, "a string or number", raw);
    facts_.distinct_id = is_none(raw) ? "" : text ? arena_.copy(json::unescape(raw, scratch_)) : raw;
  } else if (key == "timestamp") {
    std::optional<Timestamp> time;
    if (is_none(raw)) time = facts_.received_at;
    else if (text) time = parse_timestamp(json::unescape(raw, scratch_));
    else if (const auto number = kind == json::Kind::number ? json::to_double(raw) : std::nullopt)
      time = timestamp_from_number(*number);
    if (!time) return refuse(key, "a time such as \"2026-08-01T10:00:00Z\"", raw);
    facts_.timestamp = *time;
  } else if (!is_none(raw)) {
    const auto uuid = text ? Uuid::parse(json::unescape(raw, scratch_)) : std::nullopt;
    if (!uuid || uuid->is_nil()) return refuse(key, "a uuid", raw);
    facts_.uuid = *uuid;
  }
  return {};
}

void EventState::mark() {
  marked_ = true;
  kept_.reset();
}

void EventState::forget_mark() {
  marked_ = false;
  kept_.reset();
}

void EventState::keep() { kept_ = Kept{document_.text(Document::kRoot), facts_}; }

void EventState::put_back() {
  if (!kept_) return;
  document_.open(kept_->body);
  facts_ = kept_->facts;
  kept_.reset();
}

std::string_view EventState::body() {
  if (!document_.changed()) return document_.text(Document::kRoot);
  text_.clear();
  document_.write(Document::kRoot, text_);
  return text_;
}

}  // namespace penstock::scripting
