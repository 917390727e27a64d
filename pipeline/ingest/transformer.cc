#include "pipeline/ingest/transformer.h"

#include "pipeline/ingest/refusal.h"

namespace penstock::ingest {

Transformer::Transformer(Transform& chain, Committer& committer, int partitions)
    : chain_(&chain), committer_(committer), partitions_(partitions) {}

void Transformer::raw(const RawRecord& record, const std::string& partition, const std::string& label,
                      FactReader& reader, const SourceIdentity& source, Timestamp now, const SourceMetrics& metrics) {
  const RecordPlace place{.source = source.name, .partition = partition, .offset = record.offset};
  const auto refuse = [&](std::string_view code, std::string_view reason) {
    committer_.add(refusal({.place = place, .label = label, .now = now}, partitions_, code, reason, record.body));
    metrics.dead.add();
    ++counts_.dead;
  };
  if (!record.refused.empty()) return refuse(kTooLarge, record.refused);
  const auto repairs = validator_.validate(record.body, index_);
  if (!repairs) return refuse(kInvalidJson, repairs.error().message);
  metrics.lone_surrogates.add(repairs->lone_surrogates);
  const auto facts = reader.read(index_, place, now);
  if (!facts) return refuse(kNoFacts, facts.error().message);
  run(*facts, source.paths.canonical(), now, metrics);
}

Result<void> Transformer::accepted(const Facts& facts, std::string_view body, bool canonical, Timestamp now,
                                   const SourceMetrics& metrics) {
  TRY(json::index_object(body, index_));
  run(facts, canonical, now, metrics);
  return {};
}

void Transformer::dead_on_arrival(const DeadLetter& letter) {
  committer_.add(letter);
  ++counts_.dead;
}

void Transformer::run(const Facts& facts, bool canonical, Timestamp now, const SourceMetrics& metrics) {
  chain_->run(index_, facts, canonical, out_);
  switch (out_.kind) {
    case Transformed::Kind::kept:
      for (const auto& event : out_.events) committer_.add(event.facts, event.body);
      metrics.kept.add(out_.events.size());
      counts_.kept += out_.events.size();
      return;
    case Transformed::Kind::dropped:
      metrics.dropped.add();
      ++counts_.dropped;
      return;
    case Transformed::Kind::failed:
      committer_.add(app_failure(facts, partitions_, out_.app, out_.code, out_.reason, index_.text(), now));
      metrics.dead.add();
      ++counts_.dead;
      return;
  }
}

}  // namespace penstock::ingest
