#pragma once
// One batch's lines as one piece of a file that can be told from what follows it: a zstd frame or a gzip member.
//
// A gzip member says nowhere how long it is, so ours carry their length in an extra field "PS" of the header (RFC 1952),
// which every gzip reader skips.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace penstock::destinations::file {

enum class Compression : std::uint8_t { none, gzip, zstd };

// Of a member's header, with the extra field.
inline constexpr std::size_t kGzipHeaderBytes = 20;

// Keeps its contexts and buffers from batch to batch. Not thread-safe.
class Packer {
 public:
  explicit Packer(Compression compression);
  ~Packer();

  // The packed form of `lines`, which must not be empty; valid until the next call. Without compression: `lines` itself.
  std::string_view pack(std::string_view lines);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The length that the first kGzipHeaderBytes of a member of ours claim; 0 when they are not such a header.
std::uint64_t gzip_member_size(std::string_view header);
// Whether a member of ours may begin with these bytes, which may be fewer than a header.
bool may_begin_gzip_member(std::string_view bytes);

// Whether `packed`, one whole frame or member, is sound to its last byte.
bool unpacks(std::string_view packed, Compression compression);

}  // namespace penstock::destinations::file
