#pragma once
// The content of a gzip or zstd file, in pieces. Several members or frames one after another are one content.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace penstock::sources::file {

enum class Packing : std::uint8_t { none, gzip, zstd };

// By the magic bytes at the start of a file.
Packing packing_of(std::string_view head);
inline constexpr std::size_t kMagicBytes = 4;

// Reads an open file from its start; does not own it. One thread at a time. Memory stays bounded whatever the file claims.
class Unpacker {
 public:
  Unpacker(Packing packing, int fd);
  ~Unpacker();

  // Appends up to `bytes` of content to `out`; false once the content has ended. An error of kind corrupt says what is
  // wrong at which byte of the file; all that was good before it has been appended. After an error, or the end, no more.
  Result<bool> unpack(std::string& out, std::size_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::sources::file
