#include "pipeline/http/content_encoding.h"

#include <doctest/doctest.h>

#include <random>

using namespace penstock;
using namespace penstock::http;

namespace {
std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "{\"event\":\"page\",\"n\":" + std::to_string(text.size()) + "}\n";
  return text.substr(0, size);
}
}  // namespace

TEST_CASE("what was compressed comes back, at every size around the steps") {
  for (const auto encoding : {Encoding::identity, Encoding::gzip, Encoding::zstd}) {
    for (const std::size_t size : {0, 1, 4095, 4096, 4097, 300'000, 1'000'000}) {
      const auto plain = text_of(size);
      const auto packed = compress(plain, encoding);
      const auto back = inflate(packed, encoding, Bytes{size});
      REQUIRE(back.has_value());
      CHECK(*back == plain);
      if (size > 0) CHECK(inflate(packed, encoding, Bytes{size - 1}).error().kind == ErrorKind::limit);
    }
  }
}

TEST_CASE("a bomb costs its limit and no more") {
  for (const auto encoding : {Encoding::gzip, Encoding::zstd}) {
    const auto packed = compress(std::string(64 << 20, ' '), encoding);
    CHECK(packed.size() < 400'000);
    const auto result = inflate(packed, encoding, 1_MiB);
    REQUIRE(!result.has_value());
    CHECK(result.error().message == "the body is larger than 1MiB once decompressed");
  }
}

TEST_CASE("cut, damaged and extended bodies are errors, never a part of the text") {
  std::mt19937 random(7);
  for (const auto encoding : {Encoding::gzip, Encoding::zstd}) {
    const auto packed = compress(text_of(5000), encoding);
    for (std::size_t size = 0; size < packed.size(); size += 7) {
      CHECK_FALSE(inflate(packed.substr(0, size), encoding, 1_MiB).has_value());
    }
    CHECK_FALSE(inflate(packed + "x", encoding, 1_MiB).has_value());
    for (int i = 0; i < 200; ++i) {
      auto damaged = packed;
      damaged[random() % damaged.size()] ^= static_cast<char>(1 + random() % 255);
      (void)inflate(damaged, encoding, 1_MiB);  // an answer of either kind, and no misbehaviour
    }
  }
}

TEST_CASE("joined gzip members are one text, as gzip itself reads them") {
  const auto joined = compress("one\n", Encoding::gzip) + compress("two\n", Encoding::gzip);
  CHECK(inflate(joined, Encoding::gzip, 1_KiB).value() == "one\ntwo\n");
}

TEST_CASE("deflate is read with and without zlib's header") {
  // gzip's header is 10 bytes and its trailer 8; between them is raw deflate.
  const auto packed = compress("hello hello hello", Encoding::gzip);
  const auto raw = packed.substr(10, packed.size() - 18);
  CHECK(inflate(raw, Encoding::deflate, 1_KiB).value() == "hello hello hello");
  const std::string adler("\x3a\x2e\x06\x6f", 4);
  const auto wrapped = inflate("\x78\x9c" + raw + adler, Encoding::deflate, 1_KiB);
  CHECK((wrapped.has_value() || wrapped.error().message.contains("incorrect data check")));
}

TEST_CASE("encodings are known by name and by their first bytes") {
  CHECK(encoding_from_name("") == Encoding::identity);
  CHECK(encoding_from_name(" GZip ") == Encoding::gzip);
  CHECK(encoding_from_name("zstd") == Encoding::zstd);
  CHECK(encoding_from_name("br") == std::nullopt);
  CHECK(encoding_from_name("gzip, gzip") == std::nullopt);
  CHECK(encoding_from_magic(compress("x", Encoding::gzip)) == Encoding::gzip);
  CHECK(encoding_from_magic(compress("x", Encoding::zstd)) == Encoding::zstd);
  CHECK(encoding_from_magic("{}") == Encoding::identity);
}
