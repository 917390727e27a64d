#pragma once
// The log as ingest of one share of the input sees it: its commits are records of their own, with numbers of their own; `captured`
// and the order by offset are those of the whole log.

#include "connectors/logs/kafka/kafka_log.h"

namespace penstock::logs::kafka {

// `whole` outlives it. close and trim are the whole log's affair, and do nothing here.
class ShardLog final : public Log {
 public:
  ShardLog(KafkaLog& whole, int shard) : whole_(whole), shard_(shard) {}
  // Of the shard no more records are taken.
  ~ShardLog() override { whole_.let_go(shard_); }

  int partitions() const override { return whole_.partitions(); }
  bool keeps_attachments() const override { return whole_.keeps_attachments(); }
  bool takes_open_chunks() const override { return whole_.takes_open_chunks(); }
  void append(LogName log, LogRecord record, AppendDone done) override {
    record.shard = shard_;
    whole_.append(log, std::move(record), std::move(done));
  }
  Result<std::unique_ptr<LogReader>> read(LogName log, const Offsets& start) override { return whole_.read(log, start); }
  Result<std::unique_ptr<LogReader>> read_from_sequence(LogName log, std::uint64_t sequence) override {
    return read_share(log, sequence, {});
  }
  Result<std::unique_ptr<LogReader>> read_share(LogName log, std::uint64_t sequence, PartitionShare share) override {
    return log == LogName::events ? whole_.read_changes(shard_, sequence) : whole_.read_share(log, sequence, share);
  }
  Result<Offsets> offsets_at(LogName log, Timestamp time) override { return whole_.offsets_at(log, time); }
  Result<Trimmed> trim(LogName /*log*/, const TrimLimits& /*limits*/) override { return Trimmed{}; }
  Offsets begin(LogName log) const override { return whole_.begin(log); }
  Offsets end(LogName log) const override { return whole_.end(log); }
  std::uint64_t next_sequence(LogName log) const override {
    return log == LogName::events ? whole_.next_of_shard(shard_) : whole_.next_sequence(log);
  }
  std::uint64_t bytes(LogName log) const override { return whole_.bytes(log); }
  std::size_t pending_bytes() const override { return whole_.pending_bytes(); }
  std::optional<Error> failure() const override { return whole_.failure(); }
  std::optional<Error> refusal() const override { return whole_.refusal(); }
  void close() override {}

 private:
  KafkaLog& whole_;
  const int shard_;
};

}  // namespace penstock::logs::kafka
