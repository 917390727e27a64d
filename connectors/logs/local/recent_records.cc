#include "connectors/logs/local/recent_records.h"

namespace penstock::logs::local {
namespace {

std::size_t memory_of(const StoredRecord& record) {
  std::size_t sum = sizeof record;
  for (const auto& chunk : record.chunks) sum += chunk->memory();
  for (const auto& letter : record.dead) sum += sizeof letter + letter.body.size();
  for (const auto& change : record.state) sum += sizeof change + change.key.size() + change.value.size();
  return sum;
}

}  // namespace

RecentRecords::Entry RecentRecords::find(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  if (kept_.empty() || sequence < kept_.front().entry.record->sequence || sequence > kept_.back().entry.record->sequence) {
    return {};
  }
  return kept_[static_cast<std::size_t>(sequence - kept_.front().entry.record->sequence)].entry;
}

void RecentRecords::add(Entry entry) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t sequence = entry.record->sequence;
  if (!kept_.empty()) {
    Kept& newest = kept_.back();
    if (sequence <= newest.entry.record->sequence) return;
    // The bodies of a chunk unpack after it was added: its memory is known better by now.
    memory_ -= newest.memory;
    newest.memory = memory_of(*newest.entry.record);
    memory_ += newest.memory;
    if (sequence != newest.entry.record->sequence + 1) {
      kept_.clear();
      memory_ = 0;
    }
  }
  const std::size_t memory = memory_of(*entry.record);
  kept_.push_back({std::move(entry), memory});
  memory_ += memory;
  while (memory_ > bytes_max_.count && !kept_.empty()) {
    memory_ -= kept_.front().memory;
    kept_.pop_front();
  }
}

}  // namespace penstock::logs::local
