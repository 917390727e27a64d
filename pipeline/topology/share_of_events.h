#pragma once
// The log as the destinations of one process see it, where processes share the work: of `events` only what is in the partitions of its
// shards; the rest is passed over without a look. Everything else is as in the whole log.

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "pipeline/ports/log.h"

namespace penstock::topology {

class ShareOfEvents final : public Log {
 public:
  // `whole` outlives it, and it outlives its readers. `here` are some of so many shards.
  ShareOfEvents(Log& whole, std::set<int> here, int shards) : whole_(whole), here_(std::move(here)), shards_(shards) {}

  bool has(int partition) const { return here_.contains(partition % shards_); }
  const std::set<int>& here() const { return here_; }

  int partitions() const override { return whole_.partitions(); }
  bool keeps_attachments() const override { return whole_.keeps_attachments(); }
  bool takes_open_chunks() const override { return whole_.takes_open_chunks(); }
  void append(LogName log, LogRecord record, AppendDone done) override {
    whole_.append(log, std::move(record), std::move(done));
  }
  Result<std::unique_ptr<LogReader>> read(LogName log, const Offsets& start) override {
    TRY_ASSIGN(auto reader, whole_.read(log, start));
    if (log != LogName::events) return reader;
    return std::make_unique<Reader>(*this, std::move(reader));
  }
  Result<std::unique_ptr<LogReader>> read_from_sequence(LogName log, std::uint64_t sequence) override {
    return whole_.read_from_sequence(log, sequence);
  }
  Result<std::unique_ptr<LogReader>> read_share(LogName log, std::uint64_t sequence, PartitionShare share) override {
    return whole_.read_share(log, sequence, share);
  }
  Result<Offsets> offsets_at(LogName log, Timestamp time) override { return whole_.offsets_at(log, time); }
  Result<Trimmed> trim(LogName log, const TrimLimits& limits) override { return whole_.trim(log, limits); }
  Offsets begin(LogName log) const override { return whole_.begin(log); }
  Offsets end(LogName log) const override { return whole_.end(log); }
  std::uint64_t next_sequence(LogName log) const override { return whole_.next_sequence(log); }
  std::uint64_t bytes(LogName log) const override { return whole_.bytes(log); }
  std::size_t pending_bytes() const override { return whole_.pending_bytes(); }
  std::optional<Error> failure() const override { return whole_.failure(); }
  std::optional<Error> refusal() const override { return whole_.refusal(); }
  void close() override { whole_.close(); }

 private:
  class Reader final : public LogReader {
   public:
    Reader(const ShareOfEvents& share, std::unique_ptr<LogReader> all) : share_(share), all_(std::move(all)) {}
    Result<std::shared_ptr<const StoredRecord>> next() override {
      TRY_ASSIGN(auto record, all_->next());
      const auto elsewhere = [&](const auto& chunk) { return !share_.has(chunk->partition()); };
      if (!record || std::ranges::none_of(record->chunks, elsewhere)) return record;
      auto ours = std::make_shared<StoredRecord>(*record);
      std::erase_if(ours->chunks, elsewhere);
      return ours;
    }
    void wait(std::chrono::steady_clock::time_point deadline) override { all_->wait(deadline); }

   private:
    const ShareOfEvents& share_;
    const std::unique_ptr<LogReader> all_;
  };

  Log& whole_;
  const std::set<int> here_;
  const int shards_;
};

}  // namespace penstock::topology
