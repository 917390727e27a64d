#pragma once
// Which file it is, and how far it was read: what the log keeps for each file of a `file` source.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace penstock::sources::file {

inline constexpr std::size_t kFingerprintBytesMax = 1024;

// The hash of a file's first bytes, with how many they were: a file that has grown since still matches, another file that
// got the same inode does not.
struct Fingerprint {
  std::uint32_t length = 0;
  std::uint64_t hash = 0;

  // Of the first kFingerprintBytesMax bytes of `head`, or all when there are fewer.
  static Fingerprint of(std::string_view head);
  bool matches(std::string_view head) const;

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  friend constexpr auto operator<=>(const FileId&, const FileId&) = default;
};

struct FilePosition {
  FileId id;
  Fingerprint fingerprint;
  std::uint32_t generation = 0;  // counts the contents this inode has had: truncated, or given to a new file
  std::uint64_t offset = 0;      // of the decompressed content, after the last complete line
  std::uint64_t size_seen = 0;   // of the file itself, when this was noted
  bool complete = false;         // all of size_seen has been read
  bool inside_refused = false;   // what comes up to the next line end belongs to a line that was refused
  std::string path;

  // Since version 2; 0 or empty when nobody knows. Nanoseconds since 1970, as the file system says.
  std::int64_t modified = 0;        // the file's last change, when it had size_seen
  std::int64_t followed_since = 0;  // all that was written at `home` from then on is ours to read, whoever renamed it
  std::string home;                 // the path that is followed; `path` differs once the file was renamed

  friend bool operator==(const FilePosition&, const FilePosition&) = default;
};

// "<device>:<inode>:<hash>+<length>", and "#<generation>" from the second content of an inode on. Given to a file when it is
// first noted, and kept from then on, although the fingerprint may grow.
std::string partition_name(const FilePosition& position);

// Stored form, with a version byte first. Every version is read that was ever written.
void encode(const FilePosition& position, std::string& out);
Result<FilePosition> decode_file_position(std::string_view stored);

}  // namespace penstock::sources::file
