#include <doctest/doctest.h>

#include <future>
#include <string>

#include "pipeline/base/bytes.h"
#include "pipeline/base/codec.h"
#include "pipeline/base/compression.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/base/uuid.h"

namespace penstock {

TEST_CASE("a uuid reads back from its text in either form and any case") {
  const auto uuid = Uuid::parse("019a8C3e-0000-7abc-8def-0123456789AB");
  REQUIRE(uuid);
  CHECK_EQ(uuid->to_string(), "019a8c3e-0000-7abc-8def-0123456789ab");
  CHECK(Uuid::parse("019a8c3e00007abc8def0123456789ab") == uuid);
  for (const auto* bad : {"", "019a8c3e", "019a8c3e-0000-7abc-8def-0123456789ag", "019a8c3e+0000-7abc-8def-0123456789ab"}) {
    CHECK_FALSE(Uuid::parse(bad));
  }
}

TEST_CASE("a version 5 uuid is the one RFC 9562 prints") {
  const auto dns = Uuid::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  CHECK_EQ(Uuid::v5(*dns, "www.example.com").to_string(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

TEST_CASE("stored numbers and texts read back, and a cut anywhere is an error") {
  std::string stored;
  Writer writer(stored);
  writer.fixed<std::uint32_t>(7);
  writer.varint(~0ULL);
  writer.signed_varint(-3);
  writer.text("hello");
  for (std::size_t cut = 0; cut <= stored.size(); ++cut) {
    Reader reader(std::string_view(stored).substr(0, cut));
    const auto a = reader.fixed<std::uint32_t>();
    const auto b = a ? reader.varint() : Result<std::uint64_t>(fail(a.error()));
    const auto c = b ? reader.signed_varint() : Result<std::int64_t>(fail(b.error()));
    const auto d = c ? reader.text() : Result<std::string_view>(fail(c.error()));
    CHECK_EQ(d.has_value(), cut == stored.size());
    if (d) CHECK((*a == 7 && *b == ~0ULL && *c == -3 && *d == "hello"));
  }
}

TEST_CASE("a compressed block that lies about its size is refused") {
  for (const auto how : {Compression::lz4, Compression::zstd}) {
    std::string packed;
    const std::string plain(10000, 'x');
    compress(how, plain, packed);
    CHECK_EQ(decompress(how, packed, plain.size()).value(), plain);
    CHECK_FALSE(decompress(how, packed, plain.size() + 1));
    CHECK_FALSE(decompress(how, packed, 1ULL << 30));
    packed.pop_back();
    CHECK_FALSE(decompress(how, packed, plain.size()));
    CHECK_FALSE(decompress(how, "no such thing", plain.size()));
  }
}

TEST_CASE("whoever waits for memory is called once when there is room") {
  MemoryBudget memory(100);
  memory.share_among(4);
  CHECK_EQ(memory.share(), 25);
  MemoryBudget partly(100, 60);
  partly.share_among(3);
  CHECK_EQ(partly.share(), 20);
  int called = 0;
  const auto count = [&] { ++called; };
  {
    Counted mine(&memory);
    mine.add(60);
    memory.when_room(count);
    CHECK_EQ(called, 1);  // there is room
    mine.add(60);
    CHECK(memory.full());
    memory.when_room(count);
    memory.add(10);
    memory.release(10);
    CHECK_EQ(called, 1);
  }
  CHECK_EQ(called, 2);
  CHECK_EQ(memory.used(), 0);
  memory.add(200);
  memory.release(200);
  CHECK_EQ(called, 2);
}

TEST_CASE("a strand runs its tasks in order") {
  ThreadPool pool("test", 4);
  const auto strand = pool.make_strand();
  std::string order;
  std::promise<void> done;
  for (char c = 'a'; c <= 'z'; ++c) strand->post([&order, c] { order.push_back(c); });
  strand->post_at(system_clock().steady() + std::chrono::milliseconds(1), [&] { done.set_value(); });
  done.get_future().wait();
  CHECK_EQ(order, "abcdefghijklmnopqrstuvwxyz");
}

TEST_CASE("sizes print in the unit that is exact") {
  CHECK_EQ(to_string(64_MiB), "64MiB");
  CHECK_EQ(to_string(Bytes{1536}), "1536B");
  CHECK_EQ(to_string(Bytes{0}), "0B");
}

}  // namespace penstock
