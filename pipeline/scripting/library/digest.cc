#include "pipeline/scripting/library/digest.h"

#include <openssl/evp.h>

#include <memory>

#include "pipeline/base/check.h"

namespace penstock::scripting {
namespace {

// Fetching the algorithm costs ten times what hashing a short text does: once per thread.
struct Sha256 {
  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm{EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

}  // namespace

std::array<char, 64> sha256_hex(std::string_view text) {
  thread_local Sha256 hash;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(hash.algorithm != nullptr && hash.context != nullptr);
  CHECK(EVP_DigestInit_ex(hash.context.get(), hash.algorithm.get(), nullptr) == 1);
  CHECK(EVP_DigestUpdate(hash.context.get(), text.data(), text.size()) == 1);
  CHECK(EVP_DigestFinal_ex(hash.context.get(), digest, &size) == 1 && size == 32);
  constexpr char kHex[] = "0123456789abcdef";
  std::array<char, 64> hex{};
  for (std::size_t i = 0; i < 32; ++i) {
    hex[2 * i] = kHex[digest[i] >> 4];
    hex[2 * i + 1] = kHex[digest[i] & 0x0F];
  }
  return hex;
}

}  // namespace penstock::scripting
