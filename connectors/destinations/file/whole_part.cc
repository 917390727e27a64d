#include "connectors/destinations/file/whole_part.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::destinations::file {
namespace {

// More than all batches in flight together: a longer torn end is somebody else's file.
constexpr std::uint64_t kTornBytesMax = 256 << 20;
constexpr std::size_t kStepBytes = 64 * 1024;

class FileBytes {
 public:
  FileBytes(int fd, const std::string& path) : fd_(fd), path_(path) {}

  // Up to `count` bytes at `offset`; fewer only at the end of the file. Valid until the next call.
  Result<std::string_view> at(std::uint64_t offset, std::size_t count) {
    buffer_.resize(std::max(buffer_.size(), count));
    std::size_t done = 0;
    while (done < count) {
      const ssize_t n = ::pread(fd_, buffer_.data() + done, count - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno(fmt::format("cannot read {}", path_), errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return std::string_view(buffer_.data(), done);
  }

 private:
  int fd_;
  const std::string& path_;
  std::vector<char> buffer_;
};

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";
bool skippable_frame(std::string_view head) {
  return head.size() >= 8 && (head[0] & 0xF0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
}

// After the last line end. What follows must look like the beginning of a line of ours, or like the zeros that a crash of
// the machine leaves: anything else is not ours to cut.
Result<std::uint64_t> whole_lines(FileBytes& bytes, const std::string& path, std::uint64_t size) {
  std::uint64_t end = size;
  while (end > 0 && size - end < kTornBytesMax) {
    const std::uint64_t from = end > kStepBytes ? end - kStepBytes : 0;
    TRY_ASSIGN(const auto step, bytes.at(from, static_cast<std::size_t>(end - from)));
    const auto line_end = step.rfind('\n');
    if (line_end != std::string_view::npos) {
      end = from + line_end + 1;
      break;
    }
    end = from;
  }
  if (end == size) return size;
  TRY_ASSIGN(const auto first, bytes.at(end, 1));
  if (size - end < kTornBytesMax && (first == "{" || first == std::string_view("\0", 1))) return end;
  return fail(ErrorKind::invalid, fmt::format("{} does not end with a line of JSON: it seems to be another kind of file; "
                                              "move it away or choose another path",
                                              path));
}

// The length of the frame at `offset`; 0 when it is torn or not a frame (the layout is RFC 8878's).
Result<std::uint64_t> zstd_frame_size(FileBytes& bytes, std::uint64_t offset) {
  TRY_ASSIGN(const auto head, bytes.at(offset, 8));
  if (skippable_frame(head)) return 8 + little_endian(head.substr(4, 4));
  if (head.size() < 5 || !head.starts_with(kZstdMagic)) return 0;
  const auto descriptor = static_cast<std::uint8_t>(head[4]);
  const bool single_segment = (descriptor & 0x20) != 0;
  const bool checksum = (descriptor & 0x04) != 0;
  constexpr std::array<std::uint64_t, 4> kDictionaryBytes{0, 1, 2, 4};
  constexpr std::array<std::uint64_t, 4> kSizeBytes{0, 2, 4, 8};
  const unsigned size_flag = descriptor >> 6;
  std::uint64_t at = offset + 5 + (single_segment ? 0 : 1) + kDictionaryBytes[descriptor & 3];
  at += size_flag == 0 && single_segment ? 1 : kSizeBytes[size_flag];
  for (bool last = false; !last;) {
    TRY_ASSIGN(const auto block, bytes.at(at, 3));
    if (block.size() < 3) return 0;
    const std::uint64_t header = little_endian(block);
    last = (header & 1) != 0;
    const auto kind = header >> 1 & 3;
    if (kind == 3) return 0;
    constexpr std::uint64_t kRepeatedByte = 1;
    at += 3 + (kind == kRepeatedByte ? 1 : header >> 3);
  }
  return at + (checksum ? 4 : 0) - offset;
}

Result<std::uint64_t> gzip_size(FileBytes& bytes, std::uint64_t offset) {
  TRY_ASSIGN(const auto header, bytes.at(offset, kGzipHeaderBytes));
  return gzip_member_size(header);
}

// What a crash of the machine may leave behind a torn write.
std::string_view without_zeros(std::string_view head) { return head.substr(0, head.find_last_not_of('\0') + 1); }

bool may_begin_with(std::string_view magic, std::string_view head) {
  return magic.starts_with(head) || head.starts_with(magic);
}

// Whether a piece that did not get whole may be ours: its first bytes are, as far as they go.
bool may_be_torn(std::string_view head, Compression compression) {
  head = without_zeros(head);
  return compression == Compression::gzip ? may_begin_gzip_member(head) : may_begin_with(kZstdMagic, head);
}

Result<std::uint64_t> whole_frames(FileBytes& bytes, const std::string& path, std::uint64_t size, Compression compression) {
  std::uint64_t end = 0;
  std::uint64_t last = 0;  // where the last whole frame starts
  while (end < size) {
    TRY_ASSIGN(const auto frame, compression == Compression::zstd ? zstd_frame_size(bytes, end) : gzip_size(bytes, end));
    if (frame == 0 || frame > size - end) break;
    last = std::exchange(end, end + frame);
  }
  TRY_ASSIGN(const auto rest, bytes.at(end, kGzipHeaderBytes));
  if (size - end >= kTornBytesMax || !may_be_torn(rest, compression)) {
    return fail(ErrorKind::corrupt, fmt::format("{} was damaged at byte {}, or written by another program from there on; "
                                                "move it away or choose another path",
                                                path, end));
  }
  // Zeros may have made a torn one as long as it should be.
  if (end - last >= kTornBytesMax || end == last) return end;
  TRY_ASSIGN(const auto frame, bytes.at(last, static_cast<std::size_t>(end - last)));
  return unpacks(frame, compression) ? end : last;
}

}  // namespace

Result<std::uint64_t> whole_size(int fd, const std::string& path, std::uint64_t size, Compression compression) {
  if (size == 0) return 0;
  FileBytes bytes(fd, path);
  TRY_ASSIGN(const auto read, bytes.at(0, 8));
  const auto head = without_zeros(read);
  const bool gzip = may_begin_with(kGzipMagic, head);
  const bool zstd = may_begin_with(kZstdMagic, head) || skippable_frame(head);
  const auto found = gzip ? Compression::gzip : zstd ? Compression::zstd : Compression::none;
  if (found != compression && !head.empty()) {
    constexpr std::array<std::string_view, 3> kNames{"not compressed", "gzip", "zstd"};
    return fail(ErrorKind::invalid,
                fmt::format("{} holds data that is {}, but is to be written as {}; move it away or choose another path",
                            path, kNames[static_cast<std::size_t>(found)], kNames[static_cast<std::size_t>(compression)]));
  }
  if (compression == Compression::none) return whole_lines(bytes, path, size);
  return whole_frames(bytes, path, size, compression);
}

}  // namespace penstock::destinations::file
