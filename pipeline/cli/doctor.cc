// penstock doctor --verify: reads everything that a stopped pipeline's logs hold, and says whether it is whole.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "connectors/logs/local/local_log.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::cli {
namespace {

struct Counts {
  std::uint64_t records = 0;
  std::uint64_t events = 0;
};

Result<void> check_chunk(const Chunk& chunk, Offsets& next) {
  auto& expected = next.at(static_cast<std::size_t>(chunk.partition()));
  if (chunk.base_offset() != expected) {
    return fail(ErrorKind::corrupt, fmt::format("partition {}: offset {} follows {}; events between them are missing",
                                                chunk.partition(), chunk.base_offset(), expected));
  }
  expected += chunk.size();
  for (std::uint32_t i = 0; i < chunk.size(); ++i) TRY(chunk.body(i));  // the first unpacks, and checks, all of them
  return {};
}

// Checksums are compared while reading; here everything is unpacked too.
Result<void> check_log(Log& log, LogName name, Counts& counts) {
  Offsets next = log.begin(name);
  TRY_ASSIGN(const auto reader, log.read(name, next));
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) return {};
    for (const auto& chunk : record->chunks) {
      if (auto checked = check_chunk(*chunk, next); !checked)
        return fail(std::move(checked).error().context(fmt::format("record {}", record->sequence)));
      counts.events += chunk->size();
    }
    ++counts.records;
  }
}

}  // namespace

int verify_logs(const std::string& data) {
  const auto log = logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock());
  if (!log) return refuse(log.error(), log.error().kind == ErrorKind::corrupt ? kNotWell : kCannot);
  bool well = true;
  for (const LogName name : {LogName::captured, LogName::events}) {
    Counts counts;
    const auto began = std::chrono::steady_clock::now();
    const auto checked = check_log(**log, name, counts);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double megabytes = static_cast<double>((*log)->bytes(name)) / 1e6;
    fmt::print("{:<9} {} records, {} events, {:.1f} MB in {:.1f} s: {}\n", to_string(name), counts.records, counts.events,
               megabytes, took.count(), checked ? "whole" : "damaged, " + checked.error().message);
    well = well && checked;
  }
  return well ? kOk : kNotWell;
}

}  // namespace penstock::cli
