#include "connectors/sources/file/file_position.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/checksum.h"
#include "pipeline/base/codec.h"

namespace penstock::sources::file {
namespace {

constexpr std::uint8_t kVersion = 2;  // 1 ended with the path
constexpr std::uint8_t kComplete = 1;
constexpr std::uint8_t kInsideRefused = 2;

}  // namespace

Fingerprint Fingerprint::of(std::string_view head) {
  head = head.substr(0, kFingerprintBytesMax);
  return Fingerprint{static_cast<std::uint32_t>(head.size()), checksum(head)};
}

bool Fingerprint::matches(std::string_view head) const {
  return length == 0 || (head.size() >= length && checksum(head.substr(0, length)) == hash);
}

std::string partition_name(const FilePosition& position) {
  std::string name = fmt::format("{}:{}:{:016x}+{}", position.id.device, position.id.inode, position.fingerprint.hash,
                                 position.fingerprint.length);
  if (position.generation > 0) name += fmt::format("#{}", position.generation);
  return name;
}

void encode(const FilePosition& position, std::string& out) {
  Writer to(out);
  to.fixed(kVersion);
  to.fixed(static_cast<std::uint8_t>((position.complete ? kComplete : 0) | (position.inside_refused ? kInsideRefused : 0)));
  to.varint(position.id.device);
  to.varint(position.id.inode);
  to.varint(position.fingerprint.length);
  to.fixed(position.fingerprint.hash);
  to.varint(position.generation);
  to.varint(position.offset);
  to.varint(position.size_seen);
  to.text(position.path);
  to.signed_varint(position.modified);
  to.signed_varint(position.followed_since);
  to.text(position.home);
}

Result<FilePosition> decode_file_position(std::string_view stored) {
  Reader from(stored);
  FilePosition position;
  TRY_ASSIGN(const auto version, from.fixed<std::uint8_t>());
  if (version == 0 || version > kVersion) {
    return fail(ErrorKind::conflict, fmt::format("a file position of version {} was written by a newer Penstock", version));
  }
  TRY_ASSIGN(const auto flags, from.fixed<std::uint8_t>());
  position.complete = (flags & kComplete) != 0;
  position.inside_refused = (flags & kInsideRefused) != 0;
  TRY_ASSIGN(position.id.device, from.varint());
  TRY_ASSIGN(position.id.inode, from.varint());
  TRY_ASSIGN(const auto length, from.varint());
  if (length > kFingerprintBytesMax) return fail(ErrorKind::corrupt, "a file position claims an impossible fingerprint");
  position.fingerprint.length = static_cast<std::uint32_t>(length);
  TRY_ASSIGN(position.fingerprint.hash, from.fixed<std::uint64_t>());
  TRY_ASSIGN(const auto generation, from.varint());
  position.generation = static_cast<std::uint32_t>(generation);
  TRY_ASSIGN(position.offset, from.varint());
  TRY_ASSIGN(position.size_seen, from.varint());
  TRY_ASSIGN(const auto path, from.text());
  position.path = path;
  if (version >= 2) {
    TRY_ASSIGN(position.modified, from.signed_varint());
    TRY_ASSIGN(position.followed_since, from.signed_varint());
    TRY_ASSIGN(const auto home, from.text());
    position.home = home;
  }
  if (!from.at_end()) return fail(ErrorKind::corrupt, "a file position has bytes after its end");
  return position;
}

}  // namespace penstock::sources::file
