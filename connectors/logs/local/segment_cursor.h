#pragma once
// Walks over the records of one segment file, each checked before it is shown. Reads in blocks, so that many small records
// cost one read; keeps no more than one block, or one record when that is larger. One thread at a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/log/record_format.h"
#include "pipeline/ports/disk.h"

namespace penstock::logs::local {

// Adds where it is, and for damage what can be done about it.
[[nodiscard]] std::unexpected<Error> fail_at(const std::string& path, std::uint64_t position, const Error& error);
// The message of such an error, for whoever is already doing something about the damage.
std::string without_advice(const std::string& message);

class SegmentCursor {
 public:
  SegmentCursor(std::unique_ptr<ReadFile> file, std::string path, std::uint64_t position);

  struct Found {
    log_format::RecordHeader header;
    std::string_view record;  // valid until the next call
  };

  // The record at position(), which moves past it; nullopt at `limit`, the end of what may be read. After an error the
  // position stands still. Errors say file and byte.
  Result<std::optional<Found>> next(std::uint64_t limit);

  // Goes on from there; what is in memory is not read again.
  void move_to(std::uint64_t position) { position_ = position; }

  std::uint64_t position() const { return position_; }
  const std::string& path() const { return path_; }
  const ReadFile& file() const { return *file_; }

 private:
  Result<Found> read(std::uint64_t limit);
  Result<std::string_view> peek(std::uint64_t count, std::uint64_t limit);  // at position_; fewer only at the end

  std::unique_ptr<ReadFile> file_;
  std::string path_;
  std::uint64_t position_;
  std::unique_ptr<char[]> block_;
  std::size_t block_bytes_ = 0;
  std::uint64_t block_start_ = 0;
  std::size_t block_filled_ = 0;
};

}  // namespace penstock::logs::local
