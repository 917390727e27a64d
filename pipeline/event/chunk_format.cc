#include "pipeline/event/chunk_format.h"

#include <fmt/format.h>

#include "pipeline/base/checksum.h"
#include "pipeline/base/codec.h"
#include "pipeline/event/chunk.h"

namespace penstock {
namespace {

constexpr std::string_view kMagic = "PCHK";

// LZ4 makes what it cannot compress a little longer.
constexpr std::size_t kStoredSectionMax = kChunkSectionMax + kChunkSectionMax / 255 + 16;

std::unexpected<Error> bad(std::string_view what) { return fail(ErrorKind::corrupt, fmt::format("chunk: {}", what)); }

Result<void> check_numbers(const ChunkHeader& header) {
  if ((header.flags & ~(kChunkHasPersons | kChunkZstd | kChunkPlain)) != 0)
    return bad("flags that this program does not know");
  if (header.partition < 0) return bad("a negative partition");
  if (header.count == 0 || header.count > kChunkEventsMax) return bad("an impossible number of events");
  if (header.base_offset > UINT64_MAX - header.count) return bad("an impossible offset");
  for (const std::uint32_t size : {header.names_bytes, header.facts_stored_bytes, header.bodies_stored_bytes}) {
    if (size > kStoredSectionMax) return bad("a section is larger than any can be");
  }
  for (const std::uint32_t size : {header.facts_plain_bytes, header.bodies_plain_bytes}) {
    if (size > kChunkSectionMax) return bad("a section unpacks to more than any can hold");
  }
  return {};
}

Result<ChunkHeader> read_fields(std::string_view fields) {
  Reader in(fields);
  ChunkHeader header;
  TRY_ASSIGN(header.flags, in.fixed<std::uint8_t>());
  TRY_ASSIGN(const std::uint16_t zero, in.fixed<std::uint16_t>());
  TRY_ASSIGN(header.partition, in.fixed<std::int32_t>());
  TRY_ASSIGN(header.count, in.fixed<std::uint32_t>());
  TRY_ASSIGN(header.bodies_plain_bytes, in.fixed<std::uint32_t>());
  TRY_ASSIGN(const std::uint32_t zeros, in.fixed<std::uint32_t>());
  TRY_ASSIGN(header.base_offset, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.names_bytes, in.fixed<std::uint32_t>());
  TRY_ASSIGN(header.facts_stored_bytes, in.fixed<std::uint32_t>());
  TRY_ASSIGN(header.facts_plain_bytes, in.fixed<std::uint32_t>());
  TRY_ASSIGN(header.bodies_stored_bytes, in.fixed<std::uint32_t>());
  TRY_ASSIGN(header.names_checksum, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.facts_checksum, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.bodies_checksum, in.fixed<std::uint64_t>());
  if (zero != 0 || zeros != 0) return bad("bytes that must be zero are not");
  return header;
}

}  // namespace

void write_chunk_header(const ChunkHeader& header, std::string& out) {
  const auto start = out.size();
  Writer writer(out);
  writer.bytes(kMagic);
  writer.fixed(kChunkVersion);
  writer.fixed(header.flags);
  writer.fixed(std::uint16_t{0});
  writer.fixed(header.partition);
  writer.fixed(header.count);
  writer.fixed(header.bodies_plain_bytes);
  writer.fixed(std::uint32_t{0});
  writer.fixed(header.base_offset);
  writer.fixed(header.names_bytes);
  writer.fixed(header.facts_stored_bytes);
  writer.fixed(header.facts_plain_bytes);
  writer.fixed(header.bodies_stored_bytes);
  writer.fixed(header.names_checksum);
  writer.fixed(header.facts_checksum);
  writer.fixed(header.bodies_checksum);
  writer.fixed(checksum(std::string_view(out).substr(start)));
}

Result<ChunkHeader> read_chunk_header(std::string_view stored) {
  if (stored.size() < kChunkHeaderBytes) return bad("the bytes end before its header does");
  if (!stored.starts_with(kMagic)) return bad("the bytes are not one");
  const auto version = static_cast<std::uint8_t>(stored[kMagic.size()]);
  if (version > kChunkVersion) {
    return bad(
        fmt::format("version {}, but this program reads only up to {}; a newer program wrote it", version, kChunkVersion));
  }
  constexpr auto kChecked = kChunkHeaderBytes - sizeof(std::uint64_t);
  TRY_ASSIGN(const std::uint64_t expected, Reader(stored.substr(kChecked)).fixed<std::uint64_t>());
  if (checksum(stored.substr(0, kChecked)) != expected) return bad("its header fails its checksum");
  if (version != kChunkVersion) return bad("version 0 does not exist");
  TRY_ASSIGN(const ChunkHeader header, read_fields(stored.substr(kMagic.size() + 1)));
  TRY(check_numbers(header));
  return header;
}

}  // namespace penstock
