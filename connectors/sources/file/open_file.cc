#include "connectors/sources/file/open_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace penstock::sources::file {
namespace {

// A poll that finds its way back into a compressed file does so in steps of this size.
constexpr std::size_t kSkipBytesMax = 64 << 20;
constexpr std::size_t kUnpackBytes = 256 * 1024;
// A std::string below this size lives inside its object, and views into it would not survive a move of the batch.
constexpr std::size_t kBufferBytesMin = 256;

}  // namespace

Result<std::unique_ptr<OpenFile>> OpenFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) {
    auto error = fail_errno(fmt::format("cannot open {}", path), errno);
    if (errno == ENOENT) error.error().kind = ErrorKind::not_found;
    return error;
  }
  std::unique_ptr<OpenFile> file(new OpenFile(fd, path));
  TRY(file->look());
  std::array<char, kMagicBytes> magic;
  TRY_ASSIGN(const std::size_t n, file->read_at(0, magic.data(), magic.size()));
  file->packing_ = packing_of({magic.data(), n});
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return file;
}

OpenFile::OpenFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

OpenFile::~OpenFile() { ::close(fd_); }

Result<void> OpenFile::look() {
  struct stat now;
  if (::fstat(fd_, &now) != 0) return fail_errno(fmt::format("cannot look at {}", path_), errno);
  if (S_ISDIR(now.st_mode)) {
    return fail(ErrorKind::invalid, fmt::format("{0} is a directory; name its files, e.g. {0}/*.ndjson", path_));
  }
  if (!S_ISREG(now.st_mode)) {
    return fail(ErrorKind::invalid,
                fmt::format("{} is not a regular file; pipes and devices are read by type stdin", path_));
  }
  position_.id = FileId{now.st_dev, now.st_ino};
  size_ = static_cast<std::uint64_t>(now.st_size);
  unlinked_ = now.st_nlink == 0;
  modified_ = nanoseconds(now.st_mtim);
  changed_ = nanoseconds(now.st_ctim);
  return {};
}

Result<std::size_t> OpenFile::read_at(std::uint64_t offset, char* out, std::size_t size) const {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd_, out + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(fmt::format("cannot read {} at byte {}", path_, offset + done), errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<bool> OpenFile::is(const Fingerprint& stored) const {
  std::array<char, kFingerprintBytesMax> head;
  TRY_ASSIGN(const std::size_t n, read_at(0, head.data(), head.size()));
  return stored.matches({head.data(), n});
}

void OpenFile::resume(const FilePosition& stored, std::string partition) {
  const FileId now = position_.id;  // device numbers may change at a reboot
  position_ = stored;
  position_.id = now;
  partition_ = std::move(partition);
  skip_ = stored.offset;
  // Unchanged since all of it was read: a compressed one need not be unpacked to find nothing.
  ended_ = packing_ != Packing::none && stored.complete && stored.size_seen == size_;
}

Result<void> OpenFile::forget() {
  FilePosition fresh;
  fresh.home = position_.home;
  fresh.followed_since = position_.followed_since;
  position_ = std::move(fresh);
  partition_.clear();
  unpacker_.reset();
  carry_.clear();
  skip_ = 0;
  ended_ = false;
  return look();
}

std::uint64_t OpenFile::unread_bytes() {
  if (ended_ || !look()) return 0;
  if (packing_ != Packing::none) return size_;
  return size_ - std::min(size_, position_.offset);
}

void OpenFile::follow(const std::string& home, std::int64_t since) {
  position_.home = home;
  position_.followed_since = since;
}

Result<void> OpenFile::note(RawBatch& out) {
  TRY(look());
  TRY(confirm_content());
  emit(out, Cut{}, size_ == position_.offset);
  return {};
}

Result<ReadState> OpenFile::read(RawBatch& out, const ReadRules& rules) {
  TRY(look());
  if (packing_ != Packing::none && !rules.follow) return read_packed(out, rules);
  return read_plain(out, rules, !rules.follow || finishing);
}

Result<ReadState> OpenFile::read_plain(RawBatch& out, const ReadRules& rules, bool last_counts) {
  const ReadState none = last_counts ? ReadState::end : ReadState::nothing;
  if (size_ < position_.offset) restart(out);
  const std::uint64_t available = size_ - position_.offset;
  if (available == 0) return none;

  std::uint64_t want = std::min<std::uint64_t>(available, rules.bytes_max);
  Cut cut;
  bool shrank = false;
  for (;;) {
    Result<std::size_t> filled = 0;
    out.buffer.resize_and_overwrite(std::max<std::size_t>(want, kBufferBytesMin), [&](char* text, std::size_t) {
      filled = read_at(position_.offset, text, want);
      return filled.value_or(0);
    });
    if (!filled) return fail(std::move(filled).error());
    if (*filled == 0) return ReadState::nothing;  // it shrank just now
    if (position_.offset == 0 && rules.follow && packing_of(out.buffer) != Packing::none) return ReadState::packed;
    const CutRules how{rules.line_bytes_max, last_counts && *filled == available};
    out.records.clear();
    cut = cut_lines(out.buffer, position_.offset, position_.inside_refused, how, out.records);
    const std::uint64_t enough = std::min(available, rules.line_bytes_max + 2);
    shrank = *filled < want;
    if (!cut.undecided || want >= enough || shrank) break;
    want = enough;
  }
  if (cut.consumed == 0) {
    out.records.clear();
    return shrank ? ReadState::nothing : none;
  }
  TRY_ASSIGN(const bool same, confirm_content());
  if (!same) {
    restart(out);
    return read_plain(out, rules, last_counts);  // at once: what came after this file must not be read before it
  }
  emit(out, cut, position_.offset + cut.consumed == size_);
  return ReadState::data;
}

Result<ReadState> OpenFile::read_packed(RawBatch& out, const ReadRules& rules) {
  if (ended_) return ReadState::end;
  if (!unpacker_) unpacker_ = std::make_unique<Unpacker>(packing_, fd_);
  Result<bool> more = skip_read_content();
  if (more && *more && skip_ > 0) return ReadState::data;
  if (more && skip_ > 0) {
    ended_ = true;
    out.warnings.push_back(
        {fmt::format("{} now ends before byte {}, up to which it had been read", path_, position_.offset)});
    return ReadState::end;
  }

  std::size_t want = carry_.size() + rules.bytes_max;
  out.buffer.reserve(std::max(want, kBufferBytesMin));
  out.buffer.append(carry_);
  Cut cut;
  for (;;) {
    while (more && *more && out.buffer.size() < want) {
      more = unpacker_->unpack(out.buffer, std::min(kUnpackBytes, want - out.buffer.size()));
    }
    if (!more && more.error().kind != ErrorKind::corrupt) return fail(std::move(more).error().context(path_));
    ended_ = !more || !*more;
    if (out.buffer.empty()) break;
    out.records.clear();
    // What stands after the last line end of a damaged file is not a line, only the beginning of one.
    const CutRules how{rules.line_bytes_max, more.has_value() && ended_};
    cut = cut_lines(out.buffer, position_.offset, position_.inside_refused, how, out.records);
    if (!cut.undecided || ended_ || want >= rules.line_bytes_max + 2) break;
    want = rules.line_bytes_max + 2;
  }
  carry_.assign(out.buffer, cut.consumed);
  if (!more) {
    out.warnings.push_back(
        {fmt::format("{} is {}; its records up to byte {} of the decompressed content were read, the rest is lost", path_,
                     more.error().message, position_.offset + cut.consumed),
         true});
  }
  if (more && cut.consumed == 0) return ReadState::end;
  TRY(confirm_content());
  emit(out, cut, ended_);
  return ReadState::data;
}

// Back to where an earlier run stopped; in steps, so that one poll stays short. False: the content ended before.
Result<bool> OpenFile::skip_read_content() {
  std::string passed;
  std::size_t budget = kSkipBytesMax;
  while (skip_ > 0 && budget > 0) {
    passed.clear();
    const auto more = unpacker_->unpack(passed, std::min<std::uint64_t>({skip_, kUnpackBytes, budget}));
    skip_ -= passed.size();
    budget -= passed.size();
    if (!more || !*more) return more;
  }
  return true;
}

// Whether what was just read belongs to the content this position speaks of; then remembers more of its first bytes.
Result<bool> OpenFile::confirm_content() {
  std::array<char, kFingerprintBytesMax> bytes;
  TRY_ASSIGN(const std::size_t n, read_at(0, bytes.data(), bytes.size()));
  const std::string_view head(bytes.data(), n);
  if (position_.fingerprint.length > 0 && !position_.fingerprint.matches(head)) return false;
  if (n > position_.fingerprint.length) position_.fingerprint = Fingerprint::of(head);
  return true;
}

void OpenFile::restart(RawBatch& out) {
  const std::uint64_t unread = position_.size_seen > position_.offset ? position_.size_seen - position_.offset : 0;
  std::string warning =
      fmt::format("{} was truncated after byte {} of it had been read; reading it from 0", path_, position_.offset);
  if (unread > 0) warning += fmt::format("; at least {} bytes were gone before they could be read", unread);
  out.warnings.push_back({std::move(warning), unread > 0});
  out.records.clear();
  FilePosition next;
  next.id = position_.id;
  next.home = position_.home;
  next.followed_since = position_.followed_since;
  next.generation = position_.generation + 1;
  if (noted()) ended_contents_.emplace_back(std::move(position_), std::move(partition_));
  position_ = std::move(next);
  partition_.clear();
}

void OpenFile::emit(RawBatch& out, const Cut& cut, bool complete) {
  position_.offset += cut.consumed;
  position_.inside_refused = cut.inside_refused;
  position_.size_seen = size_;
  position_.modified = modified_;
  position_.complete = complete;
  position_.path = path_;
  if (partition_.empty()) partition_ = partition_name(position_);
  out.partition = partition_;
  out.label = path_;
  out.position.clear();
  encode(position_, out.position);
}

}  // namespace penstock::sources::file
