#pragma once
// Many events of one partition, as they are stored and as they are shared between readers.
//
// Stored form (all integers little-endian; chunk_format.h has every byte of the header, fact_columns.h every column):
//   header   magic "PCHK", version 1, flags, partition, base offset, count, sizes of the sections, their checksums, and a
//            checksum of the header itself. The base offset is set by the log, which alone knows it (`set_base_offset`).
//   names    the set of event names, plain: how many (varint), then each with its length (varint). A destination that wants
//            none of them skips the whole chunk.
//   facts    columns, compressed: uuids (16 bytes each), dictionary indexes for event, project and source, times as deltas, body
//            lengths, distinct ids. person ids are an optional column (a flag), absent until people exist.
//   bodies   the bodies one after another, compressed. Flags say how: LZ4 blocks, Zstandard frames, or not at all.
// A newer version than this code knows is an error that says so.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/compression.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"

namespace penstock {

// More than this is a bug of who fills it; who reads it refuses it as corrupt.
inline constexpr std::uint32_t kChunkEventsMax = 1 << 20;
inline constexpr std::size_t kChunkSectionMax = 256 << 20;  // of facts or bodies, uncompressed

// Collects events of one partition; copies what it is given. Reusable after `finish`. Not thread-safe.
class ChunkBuilder {
 public:
  explicit ChunkBuilder(int partition, Compression compression = Compression::lz4);
  ~ChunkBuilder();
  ChunkBuilder(ChunkBuilder&&) noexcept;
  ChunkBuilder& operator=(ChunkBuilder&&) noexcept;

  void add(const Facts& facts, std::string_view body);

  int partition() const;
  std::uint32_t size() const;
  std::size_t bytes() const;  // of bodies and facts, uncompressed: what batching limits count

  // Appends the stored form with base offset 0 to `out` and starts anew. There must be at least one event.
  void finish(std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes the base offset into a stored chunk and renews the header's checksum.
void set_base_offset(std::string& stored_chunk, std::uint64_t base_offset);

// What the log must know of a stored chunk, from its checked header alone. An error (corrupt): it is not a chunk.
struct ChunkLabel {
  int partition = 0;
  std::uint32_t events = 0;
  std::uint64_t base_offset = 0;
};
Result<ChunkLabel> chunk_label(std::string_view stored_chunk);

// One stored chunk, checked and opened. Immutable and shared between threads; its events' views live as long as it does.
class Chunk {
 public:
  // Takes the bytes of exactly one chunk. Checks every checksum and every size before it believes it. What it holds is counted
  // in `memory`, if given, for as long as it lives.
  static Result<std::shared_ptr<const Chunk>> open(std::string stored, MemoryBudget* memory = nullptr);

  int partition() const { return partition_; }
  std::uint64_t base_offset() const { return base_offset_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(facts_.size()); }

  // The event names in it, each at least once.
  const std::vector<std::string_view>& names() const { return names_; }
  const Facts& facts(std::uint32_t index) const { return facts_[index]; }

  // Unpacks the bodies at the first call, from whichever thread; an error is corrupt storage and stays.
  Result<std::string_view> body(std::uint32_t index) const;

  // Bytes it holds now.
  std::size_t memory() const;

 private:
  friend class ChunkGatherer;
  explicit Chunk(MemoryBudget* memory) : counted_(memory) {}

  int partition_ = 0;
  std::uint64_t base_offset_ = 0;
  std::string stored_;
  std::string facts_text_;
  std::vector<std::string_view> names_;
  std::vector<Facts> facts_;
  std::vector<std::uint32_t> body_ends_;
  Compression compression_ = Compression::lz4;
  std::string_view packed_bodies_;
  mutable std::once_flag unpacked_;
  mutable Result<std::string> bodies_;  // written once under unpacked_
  mutable std::atomic<std::size_t> unpacked_bytes_ = 0;
  mutable Counted counted_;
};

// Makes a chunk of events that are not stored as one. Copies what it is given. Reusable after `finish`. Not thread-safe.
class ChunkGatherer {
 public:
  void add(const Facts& facts, std::string_view body);
  bool empty() const { return rows_.empty(); }
  std::uint32_t size() const { return static_cast<std::uint32_t>(rows_.size()); }
  std::size_t bytes() const { return bodies_.size() + texts_.size(); }
  // What the chunk will hold, about.
  std::size_t memory() const { return bytes() + rows_.size() * sizeof(Row); }
  // Of consecutive offsets, and at least one event.
  std::shared_ptr<const Chunk> finish(int partition, std::uint64_t base_offset, MemoryBudget* memory = nullptr);

 private:
  struct Text {
    std::size_t at = 0;
    std::size_t size = 0;
  };
  struct Row {
    Facts facts;  // its texts are below
    Text project, event, distinct_id, person_id, source;
  };
  Text keep(std::string_view text, Text before);

  std::vector<Row> rows_;
  std::string texts_;
  std::string bodies_;
  std::vector<std::uint32_t> ends_;
  std::size_t last_bodies_ = 0;  // bytes of those of the last chunk: the next is mostly as large
};

}  // namespace penstock
