#include "pipeline/base/compression.h"

#include <lz4.h>
#include <zstd.h>

#include <limits>

#include "pipeline/base/check.h"

namespace penstock {
namespace {

constexpr int kZstdLevel = 1;

std::size_t lz4_compress(std::string_view plain, std::string& out) {
  CHECK(plain.size() <= LZ4_MAX_INPUT_SIZE);
  const auto before = out.size();
  const int bound = LZ4_compressBound(static_cast<int>(plain.size()));
  out.resize(before + static_cast<std::size_t>(bound));
  const int size = LZ4_compress_default(plain.data(), out.data() + before, static_cast<int>(plain.size()), bound);
  CHECK(size > 0);
  out.resize(before + static_cast<std::size_t>(size));
  return static_cast<std::size_t>(size);
}

std::size_t zstd_compress(std::string_view plain, std::string& out) {
  const auto before = out.size();
  const std::size_t bound = ZSTD_compressBound(plain.size());
  out.resize(before + bound);
  const std::size_t size = ZSTD_compress(out.data() + before, bound, plain.data(), plain.size(), kZstdLevel);
  CHECK(ZSTD_isError(size) == 0);
  out.resize(before + size);
  return size;
}

Result<std::string> lz4_decompress(std::string_view packed, std::size_t plain_size) {
  constexpr auto kMax = static_cast<std::size_t>(std::numeric_limits<int>::max());
  if (packed.size() > kMax || plain_size > kMax) return fail(ErrorKind::corrupt, "an LZ4 block claims more than 2 GiB");
  // LZ4 cannot expand more than 255 times: a larger claim is a lie that must not cost the allocation.
  if (plain_size > 255 * packed.size() + 64) return fail(ErrorKind::corrupt, "an LZ4 block claims an impossible size");
  std::string plain(plain_size, '\0');
  const int size =
      LZ4_decompress_safe(packed.data(), plain.data(), static_cast<int>(packed.size()), static_cast<int>(plain_size));
  if (size < 0 || static_cast<std::size_t>(size) != plain_size)
    return fail(ErrorKind::corrupt, "an LZ4 block does not decode");
  return plain;
}

// The frame itself says how much is in it.
Result<std::string> zstd_decompress(std::string_view packed, std::size_t plain_size) {
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != plain_size)
    return fail(ErrorKind::corrupt, "a Zstandard frame is not of the size that it should be");
  std::string plain(plain_size, '\0');
  const std::size_t size = ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size());
  if (size != plain_size) return fail(ErrorKind::corrupt, "a Zstandard frame does not decode");
  return plain;
}

}  // namespace

std::size_t compress(Compression how, std::string_view plain, std::string& out) {
  return how == Compression::zstd ? zstd_compress(plain, out) : lz4_compress(plain, out);
}

Result<std::string> decompress(Compression how, std::string_view packed, std::size_t plain_size) {
  return how == Compression::zstd ? zstd_decompress(packed, plain_size) : lz4_decompress(packed, plain_size);
}

}  // namespace penstock
