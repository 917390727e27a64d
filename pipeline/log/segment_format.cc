#include "pipeline/log/segment_format.h"

#include <fmt/format.h>

#include <charconv>

#include "pipeline/base/checksum.h"
#include "pipeline/base/codec.h"

namespace penstock::log_format {
namespace {

constexpr std::string_view kSegmentMagic = "PSEG";
constexpr std::string_view kIndexMagic = "PIDX";
constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::size_t kNameDigits = 20;
constexpr std::size_t kFixedHeaderBytes = 48;

void seal(std::string& bytes) {
  const std::uint64_t sum = checksum(std::string_view(bytes).substr(sizeof sum));
  std::memcpy(bytes.data(), &sum, sizeof sum);
}

Result<Reader> unseal(std::string_view bytes, std::string_view magic) {
  Reader in(bytes);
  TRY_ASSIGN(const auto sum, in.fixed<std::uint64_t>());
  if (checksum(bytes.substr(sizeof sum)) != sum) return fail(ErrorKind::corrupt, "fails its checksum");
  TRY_ASSIGN(const auto found, in.bytes(magic.size()));
  if (found != magic) return fail(ErrorKind::corrupt, fmt::format("does not start with {}", magic));
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kSegmentVersion) {
    return fail(ErrorKind::conflict,
                fmt::format("is of version {}, newer than this program, which knows version {}; use the newer program",
                            version, kSegmentVersion));
  }
  return in;
}

}  // namespace

std::size_t segment_header_bytes(int partitions) {
  return kFixedHeaderBytes + sizeof(std::uint64_t) * static_cast<std::size_t>(partitions);
}

std::string encode(const SegmentHeader& header) {
  std::string out;
  Writer to(out);
  to.fixed<std::uint64_t>(0);
  to.bytes(kSegmentMagic);
  to.fixed(kSegmentVersion);
  to.fixed(static_cast<std::uint8_t>(header.log));
  to.fixed(static_cast<std::uint16_t>(header.next.size()));
  to.fixed(header.first_sequence);
  to.fixed(header.created.ms);
  to.fixed(header.previous_sequence);
  to.fixed(header.previous_bytes);
  for (const std::uint64_t offset : header.next) to.fixed(offset);
  seal(out);
  return out;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes, int partitions) {
  const std::size_t size = segment_header_bytes(partitions);
  if (bytes.size() < size) return fail(ErrorKind::corrupt, "ends within its header");
  TRY_ASSIGN(Reader in, unseal(bytes.substr(0, size), kSegmentMagic));
  SegmentHeader header;
  TRY_ASSIGN(const auto log, in.fixed<std::uint8_t>());
  if (log > static_cast<std::uint8_t>(LogName::events)) return fail(ErrorKind::corrupt, "belongs to no log we know");
  header.log = static_cast<LogName>(log);
  TRY_ASSIGN(const auto count, in.fixed<std::uint16_t>());
  if (count != partitions) {
    return fail(ErrorKind::corrupt, fmt::format("has {} partitions instead of {}", count, partitions));
  }
  TRY_ASSIGN(header.first_sequence, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.created.ms, in.fixed<std::int64_t>());
  TRY_ASSIGN(header.previous_sequence, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.previous_bytes, in.fixed<std::uint64_t>());
  for (int p = 0; p < partitions; ++p) {
    TRY_ASSIGN(const auto offset, in.fixed<std::uint64_t>());
    header.next.push_back(offset);
  }
  return header;
}

std::string encode(const SegmentIndex& index) {
  std::string out;
  Writer to(out);
  to.fixed<std::uint64_t>(0);
  to.bytes(kIndexMagic);
  to.fixed(kSegmentVersion);
  to.varint(static_cast<std::uint64_t>(index.partitions));
  to.varint(index.first_sequence);
  to.varint(index.next_sequence);
  to.varint(index.segment_bytes);
  to.varint(index.entries.size());
  for (const IndexEntry& entry : index.entries) {
    to.varint(entry.sequence);
    to.varint(entry.position);
    to.signed_varint(entry.appended_at.ms);
    for (const std::uint64_t offset : entry.next) to.varint(offset);
  }
  seal(out);
  return out;
}

Result<SegmentIndex> decode_segment_index(std::string_view bytes) {
  TRY_ASSIGN(Reader in, unseal(bytes, kIndexMagic));
  SegmentIndex index;
  TRY_ASSIGN(const auto partitions, in.varint());
  if (partitions > kPartitionsMax) return fail(ErrorKind::corrupt, "has an impossible number of partitions");
  index.partitions = static_cast<int>(partitions);
  TRY_ASSIGN(index.first_sequence, in.varint());
  TRY_ASSIGN(index.next_sequence, in.varint());
  TRY_ASSIGN(index.segment_bytes, in.varint());
  TRY_ASSIGN(const auto count, in.varint());
  if (count > in.remaining()) return fail(ErrorKind::corrupt, "counts more entries than it has bytes");
  for (std::uint64_t i = 0; i < count; ++i) {
    IndexEntry& entry = index.entries.emplace_back();
    TRY_ASSIGN(entry.sequence, in.varint());
    TRY_ASSIGN(entry.position, in.varint());
    TRY_ASSIGN(entry.appended_at.ms, in.signed_varint());
    for (std::uint64_t p = 0; p < partitions; ++p) {
      TRY_ASSIGN(const auto offset, in.varint());
      entry.next.push_back(offset);
    }
  }
  return index;
}

std::string segment_name(std::uint64_t first_sequence) { return fmt::format("{:020}.seg", first_sequence); }
std::string index_name(std::uint64_t first_sequence) { return fmt::format("{:020}.idx", first_sequence); }

bool parse_segment_name(std::string_view name, std::uint64_t& first_sequence) {
  if (name.size() != kNameDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) return false;
  const char* end = name.data() + kNameDigits;
  const auto [stopped, error] = std::from_chars(name.data(), end, first_sequence);
  return error == std::errc() && stopped == end;
}

}  // namespace penstock::log_format
