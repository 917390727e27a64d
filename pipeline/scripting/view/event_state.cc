#include "pipeline/scripting/view/event_state.h"

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
  document_.open(body);
  facts_ = facts;
  canonical_ = canonical;
  marked_ = false;
  kept_.reset();
}

Result<void> EventState::open(std::string_view body, const Facts& facts, bool canonical) {
  document_.open(body);
  facts_ = facts;
  canonical_ = canonical;
  if (!canonical) return {};
  TRY(document_.look_into(Document::kRoot));
  for (const Document::Entry& entry : document_.entries(Document::kRoot)) {
    if (!is_canonical_field(entry.key)) continue;
    const auto assigned = assign_fact(entry.key, entry.raw);
    // A time or uuid that nobody can read may have come from the client, and was no fact then either.
    if (!assigned && (entry.key == "event" || entry.key == "distinct_id")) return assigned;
  }
  return {};
}

Result<void> EventState::open_part(std::string_view body, const Facts& parent, bool canonical, const Uuid& uuid) {
  marked_ = false;
  kept_.reset();
  TRY(open(body, parent, canonical));
  facts_.uuid = uuid;
  if (!canonical) return {};
  const std::size_t place = document_.find(Document::kRoot, "uuid");
  if (place == Document::kNowhere) return {};
  char* text = arena_.allocate(38);
  text[0] = text[37] = '"';
  uuid.format_to(text + 1);
  document_.replace(Document::kRoot, place, {text, 38});
  return {};
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
