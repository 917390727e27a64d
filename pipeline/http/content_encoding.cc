#include "pipeline/http/content_encoding.h"

#include <fmt/core.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "pipeline/base/check.h"

namespace penstock::http {
namespace {

// What RFC 8878 asks every decoder to support; larger windows are how a small zstd body asks for much memory.
constexpr int kZstdWindowLogMax = 23;
constexpr std::size_t kStepMax = (256_KiB).count;

std::unexpected<Error> too_large(Bytes plain_max) {
  return fail(ErrorKind::limit, fmt::format("the body is larger than {} once decompressed", to_string(plain_max)));
}

std::unexpected<Error> not_valid(Encoding encoding, std::string_view why) {
  return fail(ErrorKind::invalid, fmt::format("the body is not valid {}: {}", to_string(encoding), why));
}

// Room for the next step of decompression, never past one byte over the limit: that byte is how we know it is exceeded.
std::size_t grow(std::string& plain, Bytes plain_max) {
  const auto before = plain.size();
  const auto left = plain_max.count + 1 - before;
  const auto step = std::min<std::uint64_t>({left, kStepMax, std::max<std::uint64_t>(before, 4096)});
  plain.resize(before + static_cast<std::size_t>(step));
  return static_cast<std::size_t>(step);
}

// Browsers and libraries disagree whether "deflate" has zlib's header. It has when the first two bytes check out.
bool has_zlib_header(std::string_view body) {
  if (body.size() < 2) return false;
  const auto first = static_cast<unsigned char>(body[0]);
  const auto second = static_cast<unsigned char>(body[1]);
  return (first & 0x0F) == 8 && (first * 256 + second) % 31 == 0;
}

struct ZlibStream {
  z_stream z{};
  explicit ZlibStream(int window_bits) { CHECK(inflateInit2(&z, window_bits) == Z_OK); }
  ZlibStream(const ZlibStream&) = delete;
  ZlibStream& operator=(const ZlibStream&) = delete;
  ~ZlibStream() { inflateEnd(&z); }
};

Result<std::string> inflate_zlib(std::string_view body, Encoding encoding, Bytes plain_max) {
  if (body.size() > std::numeric_limits<uInt>::max()) return fail(ErrorKind::limit, "the body is larger than 4 GiB");
  const int window_bits = encoding == Encoding::gzip ? 16 + MAX_WBITS : has_zlib_header(body) ? MAX_WBITS : -MAX_WBITS;
  ZlibStream stream(window_bits);
  auto& z = stream.z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  z.avail_in = static_cast<uInt>(body.size());
  std::string plain;
  for (;;) {
    const auto before = plain.size();
    const auto room = grow(plain, plain_max);
    z.next_out = reinterpret_cast<Bytef*>(plain.data() + before);
    z.avail_out = static_cast<uInt>(room);
    const int code = ::inflate(&z, Z_NO_FLUSH);
    plain.resize(before + room - z.avail_out);
    if (plain.size() > plain_max.count) return too_large(plain_max);
    if (code == Z_STREAM_END) {
      if (z.avail_in == 0) return plain;
      if (encoding != Encoding::gzip) return not_valid(encoding, "something follows its end");
      if (inflateReset(&z) != Z_OK) return not_valid(encoding, "a second member does not start");  // gzip may be joined
    } else if (code != Z_OK) {
      if (code == Z_BUF_ERROR && z.avail_in == 0) return not_valid(encoding, "it is cut off");
      return not_valid(encoding, z.msg != nullptr ? z.msg : "it does not decode");
    }
  }
}

Result<std::string> inflate_zstd(std::string_view body, Bytes plain_max) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  CHECK(context != nullptr);
  CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax)));
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  std::string plain;
  for (;;) {
    const auto before = plain.size();
    const auto room = grow(plain, plain_max);
    ZSTD_outBuffer out{plain.data() + before, room, 0};
    const auto code = ZSTD_decompressStream(context.get(), &out, &in);
    plain.resize(before + out.pos);
    if (ZSTD_isError(code)) return not_valid(Encoding::zstd, ZSTD_getErrorName(code));
    if (plain.size() > plain_max.count) return too_large(plain_max);
    if (code == 0 && in.pos == in.size) return plain;
    if (in.pos == in.size && out.pos < room) return not_valid(Encoding::zstd, "it is cut off");
  }
}

std::string compress_gzip(std::string_view plain) {
  z_stream z{};
  // Level 6 costs twice the CPU of 4 for a few per cent on JSON; the network is rarely that expensive.
  CHECK(deflateInit2(&z, 4, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  CHECK(plain.size() <= std::numeric_limits<uInt>::max());
  std::string packed(deflateBound(&z, plain.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  const int code = deflate(&z, Z_FINISH);
  packed.resize(packed.size() - z.avail_out);
  deflateEnd(&z);
  CHECK(code == Z_STREAM_END);
  return packed;
}

std::string compress_zstd(std::string_view plain) {
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  const auto size = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 3);
  CHECK(!ZSTD_isError(size));
  packed.resize(size);
  return packed;
}

}  // namespace

std::optional<Encoding> encoding_from_name(std::string_view header) {
  std::string name;
  for (const char c : header) {
    if (c != ' ' && c != '\t') name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  if (name.empty() || name == "identity") return Encoding::identity;
  if (name == "gzip" || name == "x-gzip") return Encoding::gzip;
  if (name == "deflate") return Encoding::deflate;
  if (name == "zstd") return Encoding::zstd;
  return std::nullopt;
}

std::string_view to_string(Encoding encoding) {
  static constexpr std::array<std::string_view, 4> kNames{"identity", "gzip", "deflate", "zstd"};
  return kNames[static_cast<std::size_t>(encoding)];
}

Encoding encoding_from_magic(std::string_view body) {
  if (body.starts_with("\x1f\x8b")) return Encoding::gzip;
  if (body.starts_with("\x28\xb5\x2f\xfd")) return Encoding::zstd;
  return Encoding::identity;
}

Result<std::string> inflate(std::string_view body, Encoding encoding, Bytes plain_max) {
  switch (encoding) {
    case Encoding::gzip:
    case Encoding::deflate: return inflate_zlib(body, encoding, plain_max);
    case Encoding::zstd: return inflate_zstd(body, plain_max);
    case Encoding::identity: break;
  }
  if (body.size() > plain_max.count) {
    return fail(ErrorKind::limit, fmt::format("the body is larger than {}", penstock::to_string(plain_max)));
  }
  return std::string(body);
}

std::string compress(std::string_view plain, Encoding encoding) {
  switch (encoding) {
    case Encoding::gzip: return compress_gzip(plain);
    case Encoding::zstd: return compress_zstd(plain);
    case Encoding::deflate: CHECK(false && "deflate is ambiguous between libraries; nothing asks us to write it"); break;
    case Encoding::identity: break;
  }
  return std::string(plain);
}

}  // namespace penstock::http
