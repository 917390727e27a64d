#include "connectors/sources/file/unpacker.h"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "pipeline/base/check.h"

namespace penstock::sources::file {
namespace {

constexpr std::size_t kInputBytes = 256 * 1024;

// What one step of a decoder did with the input it was shown.
struct Step {
  std::size_t taken = 0;
  std::size_t made = 0;
  const char* damage = nullptr;
};

class Gzip {
 public:
  Gzip() { CHECK(::inflateInit2(&stream_, 15 + 16) == Z_OK); }
  ~Gzip() { ::inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  // Between two members, or before the first.
  bool between() const { return between_; }

  Step step(std::string_view in, char* out, std::size_t out_size) {
    if (between_) {
      if (in.empty()) return {};
      // Tapes and some copiers fill up with zeros after the last member; like gzip itself, we accept that.
      if (seen_member_ && in.front() == '\0') return Step{padding(in), 0, nullptr};
      ::inflateReset(&stream_);
      between_ = false;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out_size, 1U << 30));
    const auto room = stream_.avail_out;
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    Step done{in.size() - stream_.avail_in, room - stream_.avail_out, nullptr};
    if (code == Z_STREAM_END) {
      between_ = seen_member_ = true;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      done.damage = stream_.msg != nullptr ? stream_.msg : "not gzip data";
    }
    return done;
  }

 private:
  static std::size_t padding(std::string_view in) { return std::min(in.find_first_not_of('\0'), in.size()); }

  z_stream stream_{};
  bool between_ = true;
  bool seen_member_ = false;
};

class Zstd {
 public:
  Zstd() : stream_(::ZSTD_createDStream()) { CHECK(stream_ != nullptr); }
  ~Zstd() { ::ZSTD_freeDStream(stream_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  bool between() const { return between_; }

  Step step(std::string_view in, char* out, std::size_t out_size) {
    if (between_ && in.empty()) return {};
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out, out_size, 0};
    const std::size_t code = ::ZSTD_decompressStream(stream_, &to, &from);
    if (::ZSTD_isError(code) != 0) return Step{from.pos, to.pos, ::ZSTD_getErrorName(code)};
    between_ = code == 0;
    return Step{from.pos, to.pos, nullptr};
  }

 private:
  ZSTD_DStream* stream_;
  bool between_ = true;
};

}  // namespace

Packing packing_of(std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return Packing::gzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Packing::zstd;
  const bool skippable = head.size() >= 4 && (head[0] & 0xF0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
  return skippable ? Packing::zstd : Packing::none;
}

struct Unpacker::Impl {
  explicit Impl(int descriptor) : fd(descriptor), input(kInputBytes) {}

  int fd;
  std::uint64_t read_bytes = 0;
  std::vector<char> input;
  std::string_view unread;  // of input
  bool file_ended = false;
  bool drained = false;  // the file has ended, and the decoder holds nothing back
  bool over = false;
  std::unique_ptr<Gzip> gzip;
  std::unique_ptr<Zstd> zstd;

  bool between() const { return gzip ? gzip->between() : zstd->between(); }
  std::uint64_t at() const { return read_bytes - unread.size(); }

  Result<void> refill() {
    ssize_t n = 0;
    do {
      n = ::pread(fd, input.data(), input.size(), static_cast<off_t>(read_bytes));
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail_errno("cannot read", errno);
    read_bytes += static_cast<std::uint64_t>(n);
    unread = std::string_view(input.data(), static_cast<std::size_t>(n));
    file_ended = n == 0;
    return {};
  }

  // Decodes into out[0, size) until it is full or the content ends.
  Result<bool> decode(char* out, std::size_t size, std::size_t& made) {
    while (made < size) {
      if (unread.empty() && !file_ended) TRY(refill());
      if (drained) {
        over = true;
        if (between()) return false;
        return fail(ErrorKind::corrupt, fmt::format("cut off at byte {}, inside a compressed block", at()));
      }
      const Step step = gzip ? gzip->step(unread, out + made, size - made) : zstd->step(unread, out + made, size - made);
      unread.remove_prefix(step.taken);
      made += step.made;
      if (step.damage != nullptr) {
        over = true;
        return fail(ErrorKind::corrupt, fmt::format("damaged near byte {}: {}", at(), step.damage));
      }
      drained = file_ended && step.made == 0;
    }
    return true;
  }
};

Unpacker::Unpacker(Packing packing, int fd) : impl_(std::make_unique<Impl>(fd)) {
  if (packing == Packing::gzip) {
    impl_->gzip = std::make_unique<Gzip>();
  } else {
    impl_->zstd = std::make_unique<Zstd>();
  }
}

Unpacker::~Unpacker() = default;

Result<bool> Unpacker::unpack(std::string& out, std::size_t bytes) {
  if (impl_->over) return false;
  const std::size_t before = out.size();
  std::size_t made = 0;
  Result<bool> result = true;
  out.resize_and_overwrite(before + bytes, [&](char* text, std::size_t) {
    result = impl_->decode(text + before, bytes, made);
    return before + made;
  });
  return result;
}

}  // namespace penstock::sources::file
