#include "connectors/logs/kafka/captured_record.h"

#include <fmt/format.h>

#include "pipeline/base/codec.h"
#include "pipeline/log/segment_format.h"

namespace penstock::logs::kafka {
namespace {

constexpr std::uint8_t kVersion = 1;

Result<Offsets> read_before(Reader& in) {
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) {
    return fail(version > kVersion ? ErrorKind::conflict : ErrorKind::corrupt,
                fmt::format("a record of version {}, and this program knows version {}", version, kVersion));
  }
  TRY_ASSIGN(const std::uint64_t partitions, in.varint());
  if (partitions > static_cast<std::uint64_t>(log_format::kPartitionsMax))
    return fail(ErrorKind::corrupt, "a record of more partitions than there can be");
  Offsets before(partitions);
  for (std::uint64_t& offset : before) {
    TRY_ASSIGN(offset, in.varint());
  }
  return before;
}

}  // namespace

std::string encode_captured(log_format::PreparedRecord& record, Timestamp now, Offsets& next) {
  std::string message;
  Writer to(message);
  to.fixed(kVersion);
  to.varint(next.size());
  for (const std::uint64_t offset : next) to.varint(offset);
  append_record(record, {.sequence = 0, .appended_at = now, .group_start = 0}, next, message);
  return message;
}

Result<std::shared_ptr<const StoredRecord>> decode_captured(std::string_view message, std::uint64_t sequence,
                                                            PartitionShare share, MemoryBudget* memory) {
  Reader in(message);
  TRY_ASSIGN(Offsets next, read_before(in));
  TRY_ASSIGN(const std::string_view record, in.bytes(in.remaining()));
  TRY_ASSIGN(const auto header, log_format::decode_header(record));
  TRY(log_format::check_record(header, record));
  TRY_ASSIGN(const auto decoded, log_format::decode_record(record, next, share, memory));
  auto placed = std::make_shared<StoredRecord>(*decoded);
  placed->sequence = sequence;
  return placed;
}

}  // namespace penstock::logs::kafka
