#include "connectors/destinations/file/packer.h"

#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <string>
#include <vector>

#include "pipeline/base/check.h"

namespace penstock::destinations::file {
namespace {

constexpr int kZstdLevel = 3;
constexpr int kGzipLevel = 6;
constexpr std::size_t kStepBytes = 64 * 1024;
// No modification time, unknown system; one extra field of 4 bytes, "PS".
constexpr std::string_view kGzipStart{"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x08\x00PS\x04\x00", 16};
static_assert(kGzipStart.size() + 4 == kGzipHeaderBytes);
constexpr std::size_t kGzipTrailerBytes = 8;

void put_u32(char* at, std::uint64_t value) {
  const auto narrow = static_cast<std::uint32_t>(value);
  std::memcpy(at, &narrow, sizeof narrow);
}

bool gunzips(std::string_view packed) {
  z_stream stream{};
  CHECK(::inflateInit2(&stream, 15 + 16) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::vector<char> discarded(kStepBytes);
  int code = Z_OK;
  while (code == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(discarded.data());
    stream.avail_out = static_cast<uInt>(discarded.size());
    code = ::inflate(&stream, Z_NO_FLUSH);
  }
  ::inflateEnd(&stream);
  return code == Z_STREAM_END && stream.avail_in == 0;
}

bool unpacks_zstd(std::string_view packed) {
  const std::unique_ptr<ZSTD_DStream, decltype(&::ZSTD_freeDStream)> stream(::ZSTD_createDStream(), &::ZSTD_freeDStream);
  CHECK(stream != nullptr);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::vector<char> discarded(kStepBytes);
  std::size_t made = 0;
  std::size_t code = 1;
  do {
    ZSTD_outBuffer out{discarded.data(), discarded.size(), 0};
    code = ::ZSTD_decompressStream(stream.get(), &out, &in);
    made = out.pos;
  } while (code != 0 && ::ZSTD_isError(code) == 0 && (in.pos < in.size || made > 0));
  return code == 0 && in.pos == in.size;
}

}  // namespace

struct Packer::Impl {
  explicit Impl(Compression wanted) : compression(wanted) {
    if (compression == Compression::gzip) {
      CHECK(::deflateInit2(&deflater, kGzipLevel, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    }
    if (compression == Compression::zstd) {
      zstd = ::ZSTD_createCCtx();
      CHECK(zstd != nullptr);
      ::ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, kZstdLevel);
      ::ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    }
  }
  ~Impl() {
    if (compression == Compression::gzip) ::deflateEnd(&deflater);
    ::ZSTD_freeCCtx(zstd);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void pack_zstd(std::string_view lines) {
    packed.resize_and_overwrite(::ZSTD_compressBound(lines.size()), [&](char* out, std::size_t room) {
      const std::size_t size = ::ZSTD_compress2(zstd, out, room, lines.data(), lines.size());
      CHECK(::ZSTD_isError(size) == 0);
      return size;
    });
  }

  void pack_gzip(std::string_view lines) {
    CHECK(lines.size() < (1ULL << 31));
    CHECK(::deflateReset(&deflater) == Z_OK);
    const std::size_t room = kGzipHeaderBytes + ::deflateBound(&deflater, lines.size()) + kGzipTrailerBytes;
    packed.resize_and_overwrite(room, [&](char* out, std::size_t) {
      deflater.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(lines.data()));
      deflater.avail_in = static_cast<uInt>(lines.size());
      deflater.next_out = reinterpret_cast<Bytef*>(out + kGzipHeaderBytes);
      deflater.avail_out = static_cast<uInt>(room - kGzipHeaderBytes - kGzipTrailerBytes);
      CHECK(::deflate(&deflater, Z_FINISH) == Z_STREAM_END);
      const std::size_t size = kGzipHeaderBytes + deflater.total_out + kGzipTrailerBytes;
      kGzipStart.copy(out, kGzipStart.size());
      put_u32(out + kGzipStart.size(), size);
      put_u32(out + size - 8, ::crc32_z(0, reinterpret_cast<const Bytef*>(lines.data()), lines.size()));
      put_u32(out + size - 4, lines.size());
      return size;
    });
  }

  const Compression compression;
  z_stream deflater{};
  ZSTD_CCtx* zstd = nullptr;
  std::string packed;
};

Packer::Packer(Compression compression) : impl_(std::make_unique<Impl>(compression)) {}
Packer::~Packer() = default;

std::string_view Packer::pack(std::string_view lines) {
  switch (impl_->compression) {
    case Compression::none: return lines;
    case Compression::gzip: impl_->pack_gzip(lines); break;
    case Compression::zstd: impl_->pack_zstd(lines); break;
  }
  return impl_->packed;
}

std::uint64_t gzip_member_size(std::string_view header) {
  if (header.size() < kGzipHeaderBytes || !header.starts_with(kGzipStart)) return 0;
  std::uint32_t size = 0;
  std::memcpy(&size, header.data() + kGzipStart.size(), sizeof size);
  return size > kGzipHeaderBytes + kGzipTrailerBytes ? size : 0;
}

bool unpacks(std::string_view packed, Compression compression) {
  switch (compression) {
    case Compression::none: return true;
    case Compression::gzip: return gunzips(packed);
    case Compression::zstd: return unpacks_zstd(packed);
  }
  return false;
}

bool may_begin_gzip_member(std::string_view bytes) {
  return bytes.substr(0, kGzipStart.size()) == kGzipStart.substr(0, bytes.size());
}

}  // namespace penstock::destinations::file
