#include "pipeline/scripting/library/digest.h"

// For SHA-256 of short texts: the interface that is not deprecated allocates for every message, which doubles the time.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <memory>
#include <string>

#include "pipeline/base/check.h"
#include "pipeline/scripting/library/text_coding.h"

namespace penstock::scripting {
namespace {

constexpr std::array<const char*, 4> kNames{"sha1", "sha256", "sha384", "sha512"};

// HMAC with one digest. Fetching the algorithm costs ten times what hashing a short text does: once per thread.
class Hmac {
 public:
  EVP_MAC_CTX* ready(Digest digest) {
    auto& context = contexts_[static_cast<std::size_t>(digest)];
    if (context != nullptr) return context.get();
    CHECK(algorithm_ != nullptr);
    context.reset(EVP_MAC_CTX_new(algorithm_.get()));
    CHECK(context != nullptr);
    std::string name = kNames[static_cast<std::size_t>(digest)];
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                     OSSL_PARAM_construct_end()};
    CHECK(EVP_MAC_CTX_set_params(context.get(), parameters) == 1);
    return context.get();
  }

 private:
  using Context = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;
  std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> algorithm_{EVP_MAC_fetch(nullptr, "HMAC", nullptr), EVP_MAC_free};
  std::array<Context, kNames.size()> contexts_{Context(nullptr, EVP_MAC_CTX_free), Context(nullptr, EVP_MAC_CTX_free),
                                               Context(nullptr, EVP_MAC_CTX_free), Context(nullptr, EVP_MAC_CTX_free)};
};

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

std::array<char, 64> sha256_hex(std::string_view text) {
  SHA256_CTX context;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  CHECK(SHA256_Init(&context) == 1);
  CHECK(SHA256_Update(&context, text.data(), text.size()) == 1);
  CHECK(SHA256_Final(digest, &context) == 1);
  std::array<char, 64> hex{};
  encode_hex({reinterpret_cast<const char*>(digest), sizeof digest}, hex.data());
  return hex;
}

std::optional<Digest> digest_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<Digest>(i);
  return std::nullopt;
}

std::size_t hmac(Digest digest, std::string_view key, std::string_view text, std::array<char, kDigestBytesMax>& to) {
  thread_local Hmac mac;
  EVP_MAC_CTX* context = mac.ready(digest);
  std::size_t size = 0;
  CHECK(EVP_MAC_init(context, bytes(key), key.size(), nullptr) == 1);
  CHECK(EVP_MAC_update(context, bytes(text), text.size()) == 1);
  CHECK(EVP_MAC_final(context, reinterpret_cast<unsigned char*>(to.data()), &size, to.size()) == 1);
  return size;
}

}  // namespace penstock::scripting
