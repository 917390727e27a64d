#include "pipeline/ingest/transformer.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/event/event_bytes.h"
#include "pipeline/ingest/refusal.h"

namespace penstock::ingest {
namespace {
constexpr std::size_t kFactsBytes = 128;  // about, of one event, before they are packed
constexpr std::size_t kBodyKept = 64 << 10;  // of a body that is too large to be kept whole: as sources keep a line's
constexpr std::size_t kBodyKeptAtLast = 256;
constexpr std::string_view kDoesNotFit = "what the apps made of it does not fit into one commit of the log";

void cut(DeadLetter& letter, std::size_t kept) {
  letter.reason.resize(std::min(letter.reason.size(), kept));
  if (letter.body.size() <= kept) return;
  letter.body.resize(kept);
  letter.reason += fmt::format("; the first {} bytes of its body are kept", kept);
}

}  // namespace

Transformer::Transformer(Transform& chain, Committer& committer, const StateOverlay& state, UuidClaims& seen, int partitions)
    : chain_(&chain), committer_(committer), state_(state), seen_(seen), partitions_(partitions) {}

Result<void> Transformer::raw(const RawRecord& record, const std::string& partition, const std::string& label,
                              FactReader& fact_reader, const SourceIdentity& source, Timestamp now, Tally& tally) {
  again_ = nullptr;
  attachment_ = record.attachment;
  label_ = label;
  offset_ = record.offset;
  const RecordPlace place{.source = source.name, .partition = partition, .offset = record.offset};
  const auto refuse = [&](std::string_view code, std::string_view reason) {
    return bury(refusal({.place = place, .label = label, .now = now}, partitions_, code, reason, record.body), tally);
  };
  if (!record.refused.empty()) return refuse(kTooLarge, record.refused);
  const auto repairs = reader_.read(record.body, index_);
  if (!repairs) return refuse(kInvalidJson, repairs.error().message);
  tally.lone_surrogates += repairs->lone_surrogates;
  tally.duplicate_keys += repairs->duplicate_keys;
  const auto facts = fact_reader.read(index_, place, now);
  if (!facts) return refuse(kNoFacts, facts.error().message);
  return run(*facts, source.paths.canonical(), From::polled, now, tally);
}

// Where what has its key as distinct id is, so that it comes after that.
Result<void> Transformer::tombstone(const RawRecord& record, const std::string& partition, const std::string& label,
                                    const SourceIdentity& source, Timestamp now, Tally& tally) {
  const RecordPlace place{.source = source.name, .partition = partition, .offset = record.offset};
  Facts facts;
  facts.uuid = derived_uuid(place);
  facts.project = source.project;
  facts.distinct_id = record.attachment->key.value_or(std::string_view());
  facts.source = source.name;
  facts.timestamp = facts.received_at = now;
  const std::size_t bytes = event_bytes(facts, {}) + record.attachment->bytes();
  TRY_ASSIGN(const bool fits, has_room(1, bytes));
  if (fits && bytes <= committer_.event_bytes_max()) {
    committer_.add(facts, {}, record.attachment);
    return {};
  }
  return bury(refusal({.place = place, .label = label, .now = now}, partitions_, kTooLarge,
                      "a tombstone with more headers than the log takes", {}),
              tally);
}

Result<void> Transformer::accepted(const Facts& facts, std::string_view body, bool canonical, Timestamp now, Tally& tally,
                                   const DeadLetter* again) {
  again_ = again;
  attachment_ = nullptr;
  label_ = {};
  if (again != nullptr) committer_.add(*again);  // before the letter that it may become
  if (seen_.contains(facts.uuid, now)) {
    ++tally.duplicates;
    return {};
  }
  TRY(json::index_object(body, index_));
  return run(facts, canonical, From::captured, now, tally);
}

void Transformer::batch_appended() {
  batch_durable();
  appended_.swap(collected_);
  deaths_.batch_appended();
}

void Transformer::batch_durable() {
  for (const auto& [tally, metrics] : appended_) {
    tally.add_to(metrics);
    counts_.kept += tally.kept;
    counts_.dropped += tally.dropped;
    counts_.duplicates += tally.duplicates;
    counts_.dead += tally.dead;
  }
  appended_.clear();
  deaths_.batch_durable();
}

Result<bool> Transformer::has_room(std::size_t events, std::size_t bytes) {
  if (committer_.has_room(events, bytes)) return true;
  if (!may_shrink_) return false;
  overflowed_ = true;
  return fail(ErrorKind::limit, std::string(kDoesNotFit));
}

Result<void> Transformer::bury(DeadLetter letter, Tally& tally) {
  if (Committer::bytes_of(letter) > committer_.one_letter_bytes_max()) cut(letter, kBodyKept);
  TRY_ASSIGN(const bool fits, has_room(1, Committer::bytes_of(letter)));
  if (!fits && !committer_.has_room_at_last(letter)) cut(letter, kBodyKeptAtLast);
  deaths_.add(letter);
  committer_.add(std::move(letter));
  ++tally.dead;
  return {};
}

// Of an app that failed on the event in hand.
DeadLetter Transformer::failed(const Facts& facts, std::string_view app, std::string_view code, std::string_view reason,
                               Timestamp now) const {
  DeadLetter letter = app_failure(facts, partitions_, app, code, reason, index_.text(), now);
  if (!label_.empty()) letter.place = fmt::format("{} at {}", label_, offset_);
  if (again_ == nullptr) return letter;
  letter.place = again_->place;
  letter.attempts = again_->attempts + 1;
  letter.first_at = again_->first_at;
  return letter;
}

Result<bool> Transformer::output_fits() {
  std::size_t bytes = state_.bytes_of(out_.state);
  for (const auto& event : out_.events) bytes += event.body.size() + kFactsBytes;
  return has_room(out_.events.size(), bytes);
}

std::size_t Transformer::largest_event() const {
  std::size_t largest = 0;
  for (const auto& event : out_.events) largest = std::max(largest, event_bytes(event.facts, event.body));
  return largest + (attachment_ == nullptr ? 0 : attachment_->bytes());
}

Result<void> Transformer::run(const Facts& facts, bool canonical, From from, Timestamp now, Tally& tally) {
  chain_->run(index_, facts, canonical, out_);
  // Whatever the apps made of not being told, it is not the event's fate.
  if (state_.failure()) return fail(state_.failure()->context("app.state cannot be read"));
  if (out_.kind == Transformed::Kind::failed) {
    if (!out_.traceback.empty()) out_.reason += "\n" + out_.traceback;
    return bury(failed(facts, out_.app, out_.code, out_.reason, now), tally);
  }
  if (out_.kind == Transformed::Kind::dropped) out_.events.clear();
  TRY_ASSIGN(const bool fits, output_fits());
  if (!fits) return bury(failed(facts, {}, kOutputTooLarge, kDoesNotFit, now), tally);
  if (out_.kind == Transformed::Kind::kept) return keep(facts, from, now, tally);
  committer_.add(out_.state);
  ++tally.dropped;
  return {};
}

Result<void> Transformer::keep(const Facts& facts, From from, Timestamp now, Tally& tally) {
  if (const auto bytes = largest_event(); bytes > committer_.event_bytes_max()) {
    const auto reason = fmt::format("an event of {} bytes, and the log takes {}", bytes, committer_.event_bytes_max());
    return bury(failed(facts, {}, kOutputTooLarge, reason, now), tally);
  }
  for (const auto& event : out_.events) {
    if (from == From::captured && !seen_.claim(event.facts.uuid, now)) {
      ++tally.duplicates;
      continue;
    }
    committer_.add(event.facts, event.body, attachment_);
    ++tally.kept;
  }
  committer_.add(out_.state);
  return {};
}

}  // namespace penstock::ingest
