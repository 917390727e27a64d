#pragma once
// The first eighty bytes of a stored chunk, little-endian:
//
//    0  magic "PCHK"            24  base offset u64             48  checksum of names u64
//    4  version u8 = 1          32  size of names u32           56  checksum of facts as stored u64
//    5  flags u8                36  size of facts, stored u32   64  checksum of bodies as stored u64
//    6  zero u16                40  size of facts, plain u32    72  checksum of bytes 0 to 71 u64
//    8  partition i32           44  size of bodies, stored u32  80  names, facts, bodies
//   12  count u32
//   16  size of bodies, plain u32
//   20  zero u32
//
// Internal to this folder.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/compression.h"
#include "pipeline/base/result.h"

namespace penstock {

inline constexpr std::size_t kChunkHeaderBytes = 80;
inline constexpr std::uint8_t kChunkVersion = 1;
inline constexpr std::uint8_t kChunkHasPersons = 1;  // flag: the column of person ids is there
inline constexpr std::uint8_t kChunkZstd = 2;  // flag: facts and bodies are Zstandard frames, not LZ4 blocks
inline constexpr std::uint8_t kChunkPlain = 4;  // flag: they are not compressed

struct ChunkHeader {
  std::uint8_t flags = 0;
  std::int32_t partition = 0;
  std::uint32_t count = 0;
  std::uint64_t base_offset = 0;
  std::uint32_t names_bytes = 0;
  std::uint32_t facts_stored_bytes = 0;
  std::uint32_t facts_plain_bytes = 0;
  std::uint32_t bodies_stored_bytes = 0;
  std::uint32_t bodies_plain_bytes = 0;
  std::uint64_t names_checksum = 0;
  std::uint64_t facts_checksum = 0;
  std::uint64_t bodies_checksum = 0;

  Compression compression() const {
    if ((flags & kChunkPlain) != 0) return Compression::none;
    return (flags & kChunkZstd) != 0 ? Compression::zstd : Compression::lz4;
  }
  std::uint64_t stored_bytes() const {
    return kChunkHeaderBytes + std::uint64_t{names_bytes} + facts_stored_bytes + bodies_stored_bytes;
  }
};

// Appends the header with its checksum.
void write_chunk_header(const ChunkHeader& header, std::string& out);

// Of a text that starts with a header: its checksum and every number in it are checked, the sections are not looked at.
Result<ChunkHeader> read_chunk_header(std::string_view stored);

}  // namespace penstock
