#include "pipeline/event/chunk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/check.h"
#include "pipeline/base/checksum.h"
#include "pipeline/event/chunk_format.h"
#include "pipeline/event/fact_columns.h"

namespace penstock {
namespace {

struct Sections {
  std::string_view names;
  std::string_view facts;
  std::string_view bodies;
};

Result<Sections> cut_sections(const ChunkHeader& header, std::string_view stored) {
  if (stored.size() != header.stored_bytes()) {
    return fail(ErrorKind::corrupt,
                fmt::format("chunk: {} bytes where its header says {}", stored.size(), header.stored_bytes()));
  }
  stored.remove_prefix(kChunkHeaderBytes);
  const Sections sections{stored.substr(0, header.names_bytes), stored.substr(header.names_bytes, header.facts_stored_bytes),
                          stored.substr(std::size_t{header.names_bytes} + header.facts_stored_bytes)};
  if (checksum(sections.names) != header.names_checksum || checksum(sections.facts) != header.facts_checksum ||
      checksum(sections.bodies) != header.bodies_checksum) {
    return fail(ErrorKind::corrupt, "chunk: a section fails its checksum");
  }
  return sections;
}

}  // namespace

void set_base_offset(std::string& stored_chunk, std::uint64_t base_offset) {
  auto header = read_chunk_header(stored_chunk);
  CHECK(header.has_value());
  header->base_offset = base_offset;
  std::string renewed;
  write_chunk_header(*header, renewed);
  stored_chunk.replace(0, renewed.size(), renewed);
}

Result<ChunkLabel> chunk_label(std::string_view stored_chunk) {
  TRY_ASSIGN(const ChunkHeader header, read_chunk_header(stored_chunk));
  return ChunkLabel{header.partition, header.count, header.base_offset};
}

Result<std::shared_ptr<const Chunk>> Chunk::open(std::string stored, MemoryBudget* memory) {
  TRY_ASSIGN(const ChunkHeader header, read_chunk_header(stored));
  const std::shared_ptr<Chunk> chunk(new Chunk(memory));
  chunk->stored_ = std::move(stored);  // from here the views into it are good
  TRY_ASSIGN(const Sections sections, cut_sections(header, chunk->stored_));
  TRY_ASSIGN(const std::string plain, decompress(header.compression(), sections.facts, header.facts_plain_bytes));
  const bool has_persons = (header.flags & kChunkHasPersons) != 0;
  FactTable table{chunk->names_, chunk->facts_, chunk->body_ends_, chunk->facts_text_};
  TRY(read_fact_columns(sections.names, plain, header.count, has_persons, header.bodies_plain_bytes, table));
  if (header.compression() == Compression::none && header.bodies_plain_bytes != sections.bodies.size())
    return fail(ErrorKind::corrupt, "chunk: its bodies are not of the size that its header says");
  chunk->partition_ = header.partition;
  chunk->base_offset_ = header.base_offset;
  chunk->compression_ = header.compression();
  chunk->packed_bodies_ = sections.bodies;
  chunk->counted_.add(chunk->memory());
  return chunk;
}

Result<std::string_view> Chunk::body(std::uint32_t index) const {
  CHECK(index < size());
  const std::uint32_t start = index == 0 ? 0 : body_ends_[index - 1];
  if (compression_ == Compression::none) return packed_bodies_.substr(start, body_ends_[index] - start);
  std::call_once(unpacked_, [this] {
    bodies_ = decompress(compression_, packed_bodies_, body_ends_.back());
    if (!bodies_) {
      bodies_ = fail(std::move(bodies_).error().context("chunk: bodies"));
      return;
    }
    unpacked_bytes_.store(bodies_->capacity(), std::memory_order_relaxed);
    counted_.add(bodies_->capacity());
  });
  if (!bodies_) return fail(bodies_.error());
  return std::string_view(*bodies_).substr(start, body_ends_[index] - start);
}

ChunkGatherer::Text ChunkGatherer::keep(std::string_view text, Text before) {
  if (std::string_view(texts_).substr(before.at, before.size) == text) return before;
  texts_.append(text);
  return {texts_.size() - text.size(), text.size()};
}

void ChunkGatherer::add(const Facts& facts, std::string_view body) {
  if (rows_.empty()) bodies_.reserve(last_bodies_ + last_bodies_ / 8);
  const Row last = rows_.empty() ? Row{} : rows_.back();
  rows_.push_back({facts, keep(facts.project, last.project), keep(facts.event, last.event),
                   keep(facts.distinct_id, last.distinct_id), keep(facts.person_id, last.person_id),
                   keep(facts.source, last.source)});
  bodies_.append(body);
  ends_.push_back(static_cast<std::uint32_t>(bodies_.size()));
}

std::shared_ptr<const Chunk> ChunkGatherer::finish(int partition, std::uint64_t base_offset, MemoryBudget* memory) {
  CHECK(!rows_.empty());
  const std::shared_ptr<Chunk> chunk(new Chunk(memory));
  chunk->partition_ = partition;
  chunk->base_offset_ = base_offset;
  chunk->compression_ = Compression::none;
  last_bodies_ = bodies_.size();
  chunk->stored_ = std::exchange(bodies_, {});
  chunk->packed_bodies_ = chunk->stored_;
  chunk->body_ends_ = std::exchange(ends_, {});
  chunk->facts_text_ = std::exchange(texts_, {});
  const auto view = [&](Text text) { return std::string_view(chunk->facts_text_).substr(text.at, text.size); };
  chunk->facts_.reserve(rows_.size());
  for (const Row& row : rows_) {
    Facts facts = row.facts;
    facts.project = view(row.project);
    facts.event = view(row.event);
    facts.distinct_id = view(row.distinct_id);
    facts.person_id = view(row.person_id);
    facts.source = view(row.source);
    // Neighbours are often of one name, and there are few.
    const auto known = std::ranges::find(chunk->names_, facts.event);
    if (known == chunk->names_.end()) chunk->names_.push_back(facts.event);
    else facts.event = *known;
    chunk->facts_.push_back(facts);
  }
  rows_.clear();
  chunk->counted_.add(chunk->memory());
  return chunk;
}

std::size_t Chunk::memory() const {
  return sizeof *this + stored_.capacity() + facts_text_.capacity() + names_.capacity() * sizeof(std::string_view) +
         facts_.capacity() * sizeof(Facts) + body_ends_.capacity() * sizeof(std::uint32_t) +
         unpacked_bytes_.load(std::memory_order_relaxed);
}

}  // namespace penstock
