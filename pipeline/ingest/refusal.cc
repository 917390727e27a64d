#include "pipeline/ingest/refusal.h"

#include <fmt/format.h>

namespace penstock::ingest {
namespace {

DeadLetter letter(const Facts& facts, int partitions, std::string_view code, std::string_view reason, std::string_view body,
                  Timestamp now) {
  DeadLetter dead;
  dead.uuid = facts.uuid;
  dead.stage = kIngestStage;
  dead.code = code;
  dead.reason = reason;
  dead.source = facts.source;
  dead.event = facts.event;
  dead.distinct_id = facts.distinct_id;
  dead.partition = partition_of(facts, partitions);
  dead.attempts = 1;
  dead.received_at = facts.received_at;
  dead.first_at = dead.last_at = now;
  dead.body = body;
  return dead;
}

}  // namespace

DeadLetter refusal(const RefusedAt& at, int partitions, std::string_view code, std::string_view reason,
                   std::string_view body) {
  Facts facts;
  facts.uuid = derived_uuid(at.place);
  facts.source = at.place.source;
  facts.received_at = at.now;
  DeadLetter dead = letter(facts, partitions, code, reason, body, at.now);
  dead.place = fmt::format("{} at {}", at.label, at.place.offset);
  return dead;
}

DeadLetter app_failure(const Facts& facts, int partitions, std::string_view app, std::string_view code,
                       std::string_view reason, std::string_view body, Timestamp now) {
  DeadLetter dead = letter(facts, partitions, code, reason, body, now);
  dead.app = app;
  return dead;
}

}  // namespace penstock::ingest
