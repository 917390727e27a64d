#include "connectors/logs/local/segment_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace penstock::logs::local {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

constexpr std::string_view kRestore = "restore this file from a copy";  // every advice begins with it

// What can be done about damage in a segment: `captured` is a queue, and goes on without what is lost of it.
std::string advice(const std::filesystem::path& segment) {
  const auto log = segment.parent_path();
  if (log.filename() != "captured") {
    return fmt::format(
        "{}, or give up what it and the newer files beside it hold: stop, move them and the folder `state` out of the data "
        "folder, and start again",
        kRestore);
  }
  return fmt::format(
      "{}, or go on without what is damaged: stop, and `penstock doctor --repair {}` keeps what is whole and says what is "
      "lost",
      kRestore, log.parent_path().parent_path().string());
}

}  // namespace

std::unexpected<Error> fail_at(const std::string& path, std::uint64_t position, const Error& error) {
  if (error.kind != ErrorKind::corrupt) return fail(error.context(fmt::format("{} at byte {}", path, position)));
  return fail(ErrorKind::corrupt, fmt::format("{} at byte {}: {}; {}", path, position, error.message, advice(path)));
}

std::string without_advice(const std::string& message) {
  return message.substr(0, message.find(fmt::format("; {}", kRestore)));
}

SegmentCursor::SegmentCursor(std::unique_ptr<ReadFile> file, std::string path, std::uint64_t position)
    : file_(std::move(file)), path_(std::move(path)), position_(position) {}

Result<std::optional<SegmentCursor::Found>> SegmentCursor::next(std::uint64_t limit) {
  if (position_ >= limit) return std::nullopt;
  auto found = read(limit);
  if (!found) return fail_at(path_, position_, found.error());
  position_ += found->record.size();
  return *found;
}

Result<SegmentCursor::Found> SegmentCursor::read(std::uint64_t limit) {
  Found found;
  TRY_ASSIGN(const std::string_view start, peek(log_format::kRecordHeaderBytes, limit));
  TRY_ASSIGN(found.header, log_format::decode_header(start));
  // Before memory is taken for a record, the file must be long enough to hold it.
  if (found.header.record_bytes() > limit - position_) return fail(ErrorKind::corrupt, "the file ends within a record");
  TRY_ASSIGN(found.record, peek(found.header.record_bytes(), limit));
  TRY(log_format::check_record(found.header, found.record));
  return found;
}

Result<std::string_view> SegmentCursor::peek(std::uint64_t count, std::uint64_t limit) {
  const bool inside = position_ >= block_start_ && position_ + count <= block_start_ + block_filled_;
  if (!inside) {
    const auto there = static_cast<std::size_t>(limit - position_);
    const std::size_t wanted = std::min(there, std::max<std::size_t>(static_cast<std::size_t>(count), kBlockBytes));
    // A reader at the tail keeps little; a record far larger than a block leaves with its buffer.
    if (block_bytes_ < wanted || block_bytes_ > 2 * std::max(wanted, kBlockBytes)) {
      block_bytes_ = wanted + wanted / 8;  // the next record is mostly of about the same size
      block_ = std::make_unique_for_overwrite<char[]>(block_bytes_);
    }
    block_start_ = position_;
    block_filled_ = 0;
    TRY_ASSIGN(block_filled_, file_->read(position_, block_.get(), wanted));
  }
  const std::size_t at = static_cast<std::size_t>(position_ - block_start_);
  return std::string_view(block_.get() + at, std::min<std::size_t>(static_cast<std::size_t>(count), block_filled_ - at));
}

}  // namespace penstock::logs::local
