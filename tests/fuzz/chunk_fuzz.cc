// links: event
// Any bytes as a stored chunk. The first byte chooses what they are: a chunk as it is; a chunk whose checksums are made
// right first, so that what is behind them is reached; or plain facts of a chunk that is packed here.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "pipeline/base/check.h"
#include "pipeline/base/checksum.h"
#include "pipeline/base/compression.h"
#include "pipeline/event/chunk.h"
#include "pipeline/event/chunk_format.h"

namespace penstock {
namespace {

void renew_header_checksum(std::string& stored) {
  constexpr auto kChecked = kChunkHeaderBytes - sizeof(std::uint64_t);
  const auto renewed = checksum(std::string_view(stored).substr(0, kChecked));
  std::memcpy(stored.data() + kChecked, &renewed, sizeof renewed);
}

std::string with_right_checksums(std::string stored) {
  if (stored.size() < kChunkHeaderBytes) return stored;
  renew_header_checksum(stored);
  auto header = read_chunk_header(stored);
  if (!header || header->stored_bytes() != stored.size()) return stored;
  const auto sections = std::string_view(stored).substr(kChunkHeaderBytes);
  header->names_checksum = checksum(sections.substr(0, header->names_bytes));
  header->facts_checksum = checksum(sections.substr(header->names_bytes, header->facts_stored_bytes));
  header->bodies_checksum = checksum(sections.substr(std::size_t{header->names_bytes} + header->facts_stored_bytes));
  std::string sealed;
  write_chunk_header(*header, sealed);
  return sealed.append(sections);
}

// Count, flags and the sizes of names and bodies from the first bytes; then the names, then the facts.
std::string packed(std::string_view input) {
  if (input.size() < 4) return {};
  ChunkHeader header;
  header.count = 1 + static_cast<std::uint8_t>(input[0]);
  header.flags = static_cast<std::uint8_t>(input[1]) & (kChunkHasPersons | kChunkZstd);
  header.names_bytes = static_cast<std::uint8_t>(input[2]);
  header.bodies_plain_bytes = static_cast<std::uint8_t>(input[3]);
  input.remove_prefix(4);
  header.names_bytes = std::min(header.names_bytes, static_cast<std::uint32_t>(input.size()));
  std::string sections(input.substr(0, header.names_bytes));
  const auto facts = input.substr(header.names_bytes);
  header.facts_plain_bytes = static_cast<std::uint32_t>(facts.size());
  header.facts_stored_bytes = static_cast<std::uint32_t>(compress(header.compression(), facts, sections));
  header.bodies_stored_bytes =
      static_cast<std::uint32_t>(compress(header.compression(), std::string(header.bodies_plain_bytes, 'b'), sections));
  std::string stored;
  write_chunk_header(header, stored);
  return with_right_checksums(stored.append(sections));
}

// Reads all there is, and writes it again: what was readable stays readable.
void check(std::string stored) {
  const auto opened = Chunk::open(std::move(stored));
  if (!opened) return;
  const Chunk& chunk = **opened;
  ChunkBuilder builder(chunk.partition());
  for (std::uint32_t i = 0; i < chunk.size(); ++i) {
    const auto body = chunk.body(i);
    if (!body) return;
    builder.add(chunk.facts(i), *body);
  }
  std::string again;
  builder.finish(again);
  const auto copy = Chunk::open(std::move(again));
  CHECK(copy.has_value());
  CHECK((*copy)->size() == chunk.size());
  for (std::uint32_t i = 0; i < chunk.size(); ++i) {
    const Facts& a = chunk.facts(i);
    const Facts& b = (*copy)->facts(i);
    CHECK(a.uuid == b.uuid && a.project == b.project && a.event == b.event && a.distinct_id == b.distinct_id);
    CHECK(a.person_id == b.person_id && a.source == b.source);
    CHECK(a.timestamp == b.timestamp && a.received_at == b.received_at);
    CHECK(chunk.body(i) == (*copy)->body(i).value());
  }
}

}  // namespace
}  // namespace penstock

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: penstock::check(std::string(input)); break;
    case 1: penstock::check(penstock::with_right_checksums(std::string(input))); break;
    default: penstock::check(penstock::packed(input));
  }
  return 0;
}
