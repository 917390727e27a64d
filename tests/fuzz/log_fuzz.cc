// links: logs_local log fakes
// Any bytes as a segment of the log: opening and reading it gives records or an error that says where, never a crash; and
// what opened once opens again, to the same records.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "connectors/logs/local/local_log.h"
#include "pipeline/base/checksum.h"
#include "pipeline/base/codec.h"
#include "pipeline/base/log.h"
#include "pipeline/log/record_format.h"
#include "pipeline/log/segment_format.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock {
namespace {

// A record around a payload that nobody wrote, with sums that hold: so that what is behind the sums is tried, too.
std::string sealed_record(std::string_view payload, std::uint64_t sequence, std::uint64_t position) {
  std::string record;
  Writer to(record);
  to.fixed<std::uint64_t>(0);
  to.bytes("\xF5\x50\xC0\x52");
  to.fixed<std::uint32_t>(log_format::kRecordVersion);
  to.fixed(sequence);
  to.fixed<std::int64_t>(0);
  to.fixed(position);
  to.fixed(static_cast<std::uint32_t>(payload.size()));
  to.fixed(static_cast<std::uint32_t>(checksum(std::string_view(record).substr(8))));
  to.bytes(payload);
  const std::uint64_t sum = checksum(std::string_view(record).substr(8));
  std::memcpy(record.data(), &sum, sizeof sum);
  return record;
}

// The first byte says what the rest is: a whole segment; the records of a sound one; or payloads, each with its size before
// it, of sound records.
std::string segment_from(std::string_view input) {
  if (input.empty()) return {};
  const int shape = static_cast<unsigned char>(input.front()) % 3;
  input.remove_prefix(1);
  if (shape == 0) return std::string(input);
  std::string segment = log_format::encode(log_format::SegmentHeader{.log = LogName::events,
                                                                     .first_sequence = 0,
                                                                     .created = {},
                                                                     .previous_sequence = 0,
                                                                     .previous_bytes = 0,
                                                                     .next = {0, 0}});
  if (shape == 1) return segment.append(input);
  for (std::uint64_t sequence = 0; !input.empty(); ++sequence) {
    const auto size = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    segment += sealed_record(input.substr(0, size), sequence, segment.size());
    input.remove_prefix(std::min<std::size_t>(size, input.size()));
  }
  return segment;
}

// How many records were read before the end or an error.
std::size_t read_all(Log& log) {
  const auto reader = log.read(LogName::events, {});
  std::size_t records = 0;
  while (reader) {
    const auto record = (*reader)->next();
    if (!record || !*record) break;
    for (const auto& chunk : (*record)->chunks) {
      for (std::uint32_t i = 0; i < chunk->size(); ++i) (void)chunk->body(i);
    }
    ++records;
  }
  return records;
}

void open_and_read(std::string_view input) {
  fakes::MemoryDisk disk;
  const fakes::ManualClock clock;
  disk.set_content("data/FORMAT", "penstock-data 1\npartitions 2\n");
  disk.set_content("data/log/events/00000000000000000000.seg", segment_from(input));
  std::size_t records = 0;
  for (int round = 0; round < 2; ++round) {
    const auto log = logs::local::LocalLog::open({.folder = "data"}, disk, clock);
    if (!log) {
      if (round != 0 || log.error().message.empty()) std::abort();
      return;
    }
    const std::size_t read = read_all(**log);
    if (round != 0 && read != records) std::abort();
    records = read;
  }
}

}  // namespace
}  // namespace penstock

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  penstock::configure_log(penstock::LogLevel::error, penstock::LogFormat::text);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  penstock::open_and_read({reinterpret_cast<const char*>(data), size});
  return 0;
}
