#include "pipeline/base/check.h"
#include "pipeline/base/checksum.h"
#include "pipeline/base/compression.h"
#include "pipeline/event/chunk.h"
#include "pipeline/event/chunk_format.h"
#include "pipeline/event/fact_columns.h"

namespace penstock {

struct ChunkBuilder::Impl {
  Impl(int partition_number, Compression how) : partition(partition_number), compression(how) {}

  int partition;
  Compression compression;
  FactColumns facts;
  std::string bodies;
  std::string sections;  // reused by finish
  std::string plain;     // reused by finish
};

ChunkBuilder::ChunkBuilder(int partition, Compression compression) : impl_(std::make_unique<Impl>(partition, compression)) {
  CHECK(partition >= 0);
}
ChunkBuilder::~ChunkBuilder() = default;
ChunkBuilder::ChunkBuilder(ChunkBuilder&&) noexcept = default;
ChunkBuilder& ChunkBuilder::operator=(ChunkBuilder&&) noexcept = default;

void ChunkBuilder::add(const Facts& facts, std::string_view body) {
  CHECK(impl_->facts.count() < kChunkEventsMax);
  CHECK(body.size() <= kChunkSectionMax - impl_->bodies.size());
  impl_->facts.add(facts, body.size());
  impl_->bodies.append(body);
}

int ChunkBuilder::partition() const { return impl_->partition; }
std::uint32_t ChunkBuilder::size() const { return impl_->facts.count(); }
std::size_t ChunkBuilder::bytes() const { return impl_->facts.bytes() + impl_->bodies.size(); }

void ChunkBuilder::finish(std::string& out) {
  auto& [partition, compression, facts, bodies, sections, plain] = *impl_;
  CHECK(facts.count() > 0);
  plain.clear();
  facts.write_plain(plain);
  CHECK(plain.size() <= kChunkSectionMax);

  sections.clear();
  facts.write_names(sections);
  const auto names_bytes = sections.size();
  CHECK(names_bytes <= kChunkSectionMax);
  const auto facts_bytes = compress(compression, plain, sections);
  const auto bodies_bytes = compress(compression, bodies, sections);
  const std::string_view all = sections;

  ChunkHeader header;
  header.flags = static_cast<std::uint8_t>((facts.has_persons() ? kChunkHasPersons : 0) |
                                           (compression == Compression::zstd ? kChunkZstd : 0) |
                                           (compression == Compression::none ? kChunkPlain : 0));
  header.partition = partition;
  header.count = facts.count();
  header.names_bytes = static_cast<std::uint32_t>(names_bytes);
  header.facts_stored_bytes = static_cast<std::uint32_t>(facts_bytes);
  header.facts_plain_bytes = static_cast<std::uint32_t>(plain.size());
  header.bodies_stored_bytes = static_cast<std::uint32_t>(bodies_bytes);
  header.bodies_plain_bytes = static_cast<std::uint32_t>(bodies.size());
  header.names_checksum = checksum(all.substr(0, names_bytes));
  header.facts_checksum = checksum(all.substr(names_bytes, facts_bytes));
  header.bodies_checksum = checksum(all.substr(names_bytes + facts_bytes));
  out.reserve(out.size() + header.stored_bytes());
  write_chunk_header(header, out);
  out.append(all);

  facts.clear();
  bodies.clear();
}

}  // namespace penstock
