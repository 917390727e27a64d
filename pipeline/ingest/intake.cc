#include "pipeline/ingest/intake.h"

#include <fmt/format.h>

#include <random>

#include "pipeline/event/sent_again.h"
#include "pipeline/ingest/chunk_set.h"
#include "pipeline/ingest/refusal.h"

namespace penstock::ingest {
namespace {

// The log's answer to who pushes: what is too large stays too large, anything else may go another time.
std::unexpected<Error> refusal_of(Error refused) {
  return fail(refused.kind == ErrorKind::limit ? ErrorKind::limit : ErrorKind::unavailable, std::move(refused.message));
}

std::string make_run_id(const Clock& clock) {
  std::random_device entropy;
  return fmt::format("{}-{:08x}{:08x}", clock.now().ms, entropy(), entropy());
}

}  // namespace

CapturedIntake::CapturedIntake(SourceIdentity source, Log& log, const Clock& clock, SourceMetrics metrics,
                               std::size_t pending_bytes_max, Gate* gate, std::string run_id)
    : source_(std::move(source)), log_(log), clock_(clock), metrics_(metrics), pending_bytes_max_(pending_bytes_max),
      gate_(gate), facts_(source_.paths, source_.project), run_id_(run_id.empty() ? make_run_id(clock) : std::move(run_id)) {
}

Result<void> CapturedIntake::check_open(std::size_t bytes) const {
  if (const auto failure = log_.failure()) {
    return fail(ErrorKind::unavailable, "the log cannot promise durability any more: " + failure->message);
  }
  if (gate_ != nullptr && !gate_->has_room(bytes)) {
    return fail(ErrorKind::unavailable,
                gate_->reason().value_or("the disk is nearly full; there is no room for so much at once"));
  }
  if (log_.pending_bytes() > pending_bytes_max_) {
    return fail(ErrorKind::unavailable, "the disk is behind; try again in a moment");
  }
  return {};
}

void CapturedIntake::push(PushedRecords records, std::move_only_function<void(Result<Accepted>)> done) {
  if (auto open = check_open(records.text.size()); !open) {
    done(fail(std::move(open).error()));
    return;
  }
  if (gate_ != nullptr) gate_->spend(records.text.size());
  Accepted accepted;
  LogRecord record;
  {
    const std::lock_guard lock(mutex_);
    record = to_record(records, accepted);
  }
  Tally tally{.received = records.bodies.size(), .received_bytes = records.text.size(), .dead = accepted.rejected.size()};
  log_.append(LogName::captured, std::move(record),
              [metrics = metrics_, tally, accepted = std::move(accepted),
               done = std::move(done)](Result<Appended> appended) mutable {
                if (!appended) {
                  done(refusal_of(std::move(appended).error()));
                  return;
                }
                tally.add_to(metrics);
                done(std::move(accepted));
              });
}

void CapturedIntake::push_again(const std::vector<KeptLetter>& letters, std::move_only_function<void(Result<void>)> done) {
  if (auto open = check_open(0); !open) {
    done(fail(std::move(open).error()));
    return;
  }
  LogRecord record;
  {
    const std::lock_guard lock(mutex_);
    record = to_record(letters);
  }
  append_again(std::move(record), std::move(done));
}

void CapturedIntake::take_out(const std::vector<KeptLetter>& letters, std::move_only_function<void(Result<void>)> done) {
  if (auto open = check_open(0); !open) return done(fail(std::move(open).error()));
  LogRecord record;
  for (const auto& [letter, kept_by] : letters)
    for (const auto& share : kept_by) record.dead.push_back(taken_out(*letter, share.index));
  append_again(std::move(record), std::move(done));
}

void CapturedIntake::append_again(LogRecord record, std::move_only_function<void(Result<void>)> done) {
  log_.append(LogName::captured, std::move(record), [done = std::move(done)](Result<Appended> appended) mutable {
    if (!appended) return done(refusal_of(std::move(appended).error()));
    done({});
  });
}

void CapturedIntake::push_poll(const RawBatch& batch, std::move_only_function<void(Result<void>)> done) {
  std::size_t bytes = 0;
  for (const RawRecord& each : batch.records) bytes += each.body.size();
  if (auto open = check_open(bytes); !open) return done(fail(std::move(open).error()));
  if (gate_ != nullptr) gate_->spend(bytes);
  Tally tally;
  LogRecord record;
  {
    const std::lock_guard lock(mutex_);
    record = to_record(batch, tally);
  }
  log_.append(LogName::captured, std::move(record),
              [metrics = metrics_, tally, done = std::move(done)](Result<Appended> appended) mutable {
                if (!appended) return done(refusal_of(std::move(appended).error()));
                tally.add_to(metrics);
                done({});
              });
}

// As ingest reads a record in place (transformer.cc): the same facts, and the same uuid where it brings none.
LogRecord CapturedIntake::to_record(const RawBatch& batch, Tally& tally) {
  const Timestamp now = clock_.now();
  ChunkSet chunks(log_.partitions());
  LogRecord record;
  for (const RawRecord& each : batch.records) {
    ++tally.received;
    tally.received_bytes += each.body.size();
    const RecordPlace place{.source = source_.name, .partition = batch.derived_from(), .offset = each.offset};
    const auto refuse = [&](std::string_view code, std::string_view reason) {
      record.dead.push_back(
          refusal({.place = place, .label = batch.label, .now = now}, log_.partitions(), code, reason, each.body));
      ++tally.dead;
    };
    if (!each.refused.empty()) {
      refuse(kTooLarge, each.refused);
    } else if (const auto repairs = reader_.read(each.body, index_); !repairs) {
      refuse(kInvalidJson, repairs.error().message);
    } else if (const auto facts = facts_.read(index_, place, now); !facts) {
      refuse(kNoFacts, facts.error().message);
    } else {
      tally.lone_surrogates += repairs->lone_surrogates;
      tally.duplicate_keys += repairs->duplicate_keys;
      chunks.add(*facts, index_.text());
    }
  }
  record.chunks = chunks.finish().chunks;
  if (!batch.position.empty()) record.positions.push_back({source_.name, batch.partition, batch.position});
  return record;
}

// The marks of a partition stand in the order of its events.
LogRecord CapturedIntake::to_record(const std::vector<KeptLetter>& letters) {
  const Timestamp now = clock_.now();
  ChunkSet chunks(log_.partitions());
  LogRecord record;
  const auto refuse = [&](const DeadLetter& letter, std::string_view code, std::string reason) {
    DeadLetter& refused = record.dead.emplace_back(letter);
    refused.code = code;
    refused.reason = std::move(reason);
    ++refused.attempts;
    refused.last_at = now;
  };
  for (const auto& [letter, kept_by] : letters) {
    const auto goes_to = [&, letter = letter, &kept_by = kept_by](int partition) {
      for (const auto& share : kept_by)
        if (!share.has(partition)) record.dead.push_back(taken_out(*letter, share.index));
    };
    if (const auto repairs = reader_.read(letter->body, index_); !repairs) {
      refuse(*letter, kInvalidJson, repairs.error().message);
      goes_to(letter->partition);
      continue;
    }
    auto facts = facts_.read(index_, {.source = source_.name, .partition = {}}, letter->received_at);
    if (!facts) {
      refuse(*letter, kNoFacts, facts.error().message);
      goes_to(letter->partition);
      continue;
    }
    // What was refused at the door was no event yet: the uuid in it, if it is readable now, is the client's word.
    const bool was_event = !letter->event.empty();
    if (was_event || !facts_.client_uuid()) facts->uuid = letter->uuid;
    chunks.add(*facts, index_.text());
    const int partition = partition_of(*facts, log_.partitions());
    record.dead.push_back(sent_again(*letter, partition));
    goes_to(partition);
  }
  record.chunks = chunks.finish().chunks;
  return record;
}

LogRecord CapturedIntake::to_record(const PushedRecords& records, Accepted& accepted) {
  const Timestamp now = clock_.now();
  RecordPlace place{.source = source_.name, .partition = run_id_, .offset = pushes_++};
  ChunkSet chunks(log_.partitions());
  LogRecord record;
  const auto refuse = [&](std::size_t index, std::string_view code, std::string reason, std::string_view body) {
    record.dead.push_back(refusal({.place = place, .label = fmt::format("push {}", place.offset), .now = now},
                                  log_.partitions(), code, reason, body));
    accepted.rejected.push_back({index, std::move(reason)});
  };
  for (std::size_t i = 0; i < records.bodies.size(); ++i) {
    place.index = static_cast<std::uint32_t>(i);
    const auto repairs = reader_.read(records.bodies[i], index_);
    if (!repairs) {
      refuse(i, kInvalidJson, repairs.error().message, records.bodies[i]);
      continue;
    }
    metrics_.lone_surrogates.add(repairs->lone_surrogates);
    metrics_.duplicate_keys.add(repairs->duplicate_keys);
    const auto facts = facts_.read(index_, place, now);
    if (!facts) {
      refuse(i, kNoFacts, facts.error().message, records.bodies[i]);
      continue;
    }
    chunks.add(*facts, index_.text());
    ++accepted.accepted;
  }
  record.chunks = chunks.finish().chunks;
  return record;
}

}  // namespace penstock::ingest
