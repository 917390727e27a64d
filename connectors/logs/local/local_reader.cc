#include "connectors/logs/local/local_reader.h"

#include <fmt/format.h>

#include "pipeline/base/check.h"

namespace penstock::logs::local {

Result<std::shared_ptr<const StoredRecord>> LocalReader::next() {
  while (at_.sequence < table_.next_sequence()) {
    TRY(enter_segment());
    if (!before_) return take();
    TRY_ASSIGN(const bool passed, pass_over());
    if (!passed) before_ = nullptr;
  }
  return nullptr;
}

Result<bool> LocalReader::pass_over() {
  TRY_ASSIGN(const auto found, read());
  Offsets after = at_.next;
  if (const auto skipped = log_format::skip_record(found.record, after); !skipped) {
    return fail_at(cursor_->path(), at_.position, skipped.error());
  }
  if (!before_(at_.sequence, after)) return false;
  advance(found.record.size(), std::move(after));
  return true;
}

// Readers of shares have no chunk in common, so there is nothing to share among them.
Result<std::shared_ptr<const StoredRecord>> LocalReader::take() {
  const bool whole = share_.of == 1;
  if (auto hit = whole ? recent_.find(at_.sequence) : RecentRecords::Entry(); hit.record) {
    advance(hit.stored_bytes, hit.record->next);
    return std::move(hit.record);
  }
  TRY_ASSIGN(const auto found, read());
  Offsets after = at_.next;
  auto record = log_format::decode_record(found.record, after, share_, memory_);
  if (!record) return fail_at(cursor_->path(), at_.position, record.error());
  if (whole) recent_.add({*record, found.record.size()});
  advance(found.record.size(), std::move(after));
  return record;
}

Result<SegmentCursor::Found> LocalReader::read() {
  cursor_->move_to(at_.position);
  TRY_ASSIGN(const auto found, cursor_->next(limit_));
  CHECK(found.has_value());
  if (found->header.sequence != at_.sequence) {
    return fail_at(
        cursor_->path(), at_.position,
        {ErrorKind::corrupt, fmt::format("record {} stands where record {} should", found->header.sequence, at_.sequence)});
  }
  return *found;
}

Result<void> LocalReader::enter_segment() {
  const std::uint64_t first_record = log_format::segment_header_bytes(static_cast<int>(at_.next.size()));
  if (!cursor_) TRY(open_first());
  while (at_.position >= limit_) {
    const auto extent = table_.extent(at_.segment);
    // One that was read to its end may have gone since.
    if (!extent && table_.extent(at_.sequence)) {
      TRY(open_segment(at_.sequence, first_record));
      continue;
    }
    if (!extent) return fail(ErrorKind::not_found, cursor_->path() + " was removed by retention while it was read");
    limit_ = extent->bytes;
    if (at_.position < limit_) break;
    if (!extent->next_segment || *extent->next_segment != at_.sequence) {
      return fail_at(cursor_->path(), at_.position,
                     {ErrorKind::corrupt, fmt::format("the file ends before record {}", at_.sequence)});
    }
    TRY(open_segment(*extent->next_segment, first_record));
  }
  return {};
}

// Where seeking has found a place to begin, retention may since have taken the segment. That is no loss when everything up to the
// oldest that is kept was to be passed over.
Result<void> LocalReader::open_first() {
  auto opened = open_segment(at_.segment, at_.position);
  if (opened || opened.error().kind != ErrorKind::not_found) return opened;
  const auto kept = table_.snapshot();
  const Segment& oldest = kept.segments.front();
  const bool all_passed_over =
      before_ ? before_(oldest.first_sequence - 1, oldest.start) : at_.sequence == oldest.first_sequence;
  if (!all_passed_over) return opened;
  at_.sequence = oldest.first_sequence;
  at_.next = oldest.start;
  return open_segment(oldest.first_sequence, log_format::segment_header_bytes(static_cast<int>(at_.next.size())));
}

Result<void> LocalReader::open_segment(std::uint64_t first_sequence, std::uint64_t position) {
  const std::string path = segment_path(table_.folder(), first_sequence);
  auto file = disk_.open_read(path);
  if (!file && !table_.extent(first_sequence))
    return fail(ErrorKind::not_found, path + " was removed by retention before it was read");
  if (!file) return fail(std::move(file).error());
  cursor_ = std::make_unique<SegmentCursor>(*std::move(file), path, position);
  limit_ = 0;
  at_.segment = first_sequence;
  at_.position = position;
  return {};
}

void LocalReader::advance(std::uint64_t record_bytes, Offsets next) {
  ++at_.sequence;
  at_.position += record_bytes;
  at_.next = std::move(next);
}

}  // namespace penstock::logs::local
