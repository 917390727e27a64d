#include "pipeline/base/compression.h"

#include <lz4.h>

#include <limits>

#include "pipeline/base/check.h"

namespace penstock {

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

}  // namespace penstock
