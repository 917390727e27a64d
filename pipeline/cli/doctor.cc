// penstock doctor --verify: reads everything that a stopped pipeline's data folder holds, and says whether it is whole.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>

#include "connectors/logs/local/local_log.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/ingest/captured_position.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/state/derived_state.h"
#include "pipeline/topology/captured.h"

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
Result<void> check_log(Log& log, LogName name, Counts& counts, std::vector<SourcePosition>& positions) {
  Offsets next = log.begin(name);
  std::map<std::string, SourcePosition> newest;
  TRY_ASSIGN(const auto reader, log.read(name, next));
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) break;
    for (const auto& chunk : record->chunks) {
      if (auto checked = check_chunk(*chunk, next); !checked)
        return fail(std::move(checked).error().context(fmt::format("record {}", record->sequence)));
      counts.events += chunk->size();
    }
    for (const auto& position : record->positions)
      if (position.source == ingest::kCapturedSource) newest[position.partition] = position;
    ++counts.records;
  }
  for (auto& [partition, position] : newest) positions.push_back(std::move(position));
  return {};
}

// What ingest says that it has read must be there; `positions` are those of the newest commits.
Result<void> check_positions(const Log& log, const std::string& data, const std::vector<SourcePosition>& positions) {
  TRY_ASSIGN(const auto read, ingest::captured_positions(positions, log.partitions()));
  return topology::check_captured(log, std::ranges::max(read), data);
}

bool check_logs(Log& log, const std::string& data) {
  bool well = true;
  std::vector<SourcePosition> positions;
  for (const LogName name : {LogName::captured, LogName::events}) {
    Counts counts;
    const auto began = std::chrono::steady_clock::now();
    const auto checked = check_log(log, name, counts, positions);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double megabytes = static_cast<double>(log.bytes(name)) / 1e6;
    fmt::print("{:<9} {} records, {} events, {:.1f} MB in {:.1f} s: {}\n", to_string(name), counts.records, counts.events,
               megabytes, took.count(), checked ? "whole" : "damaged, " + checked.error().message);
    well = well && checked;
  }
  if (const auto checked = check_positions(log, data, positions); !checked) {
    fmt::print("{}\n", checked.error().message);
    well = false;
  }
  return well;
}

bool print_store(std::string_view name, const std::string& path, const Result<void>& checked) {
  if (!std::filesystem::exists(path)) {
    fmt::print("{:<9} not there\n", name);
    return true;
  }
  fmt::print("{:<9} {}\n", name, checked ? "whole" : "damaged, " + checked.error().message);
  return checked.has_value();
}

// Each only if it is there: a new folder has none.
bool check_stores(const std::string& data) {
  const auto when_there = [](const std::string& path, const std::function<Result<void>(const std::string&)>& verify) {
    return std::filesystem::exists(path) ? verify(path) : Result<void>();
  };
  const Clock& clock = system_clock();
  const std::string state = data + "/state", delivery = data + "/delivery", catalog = data + "/catalog.db";
  auto derived = when_there(state, [&](const auto& path) { return DerivedState::verify(path, clock); });
  if (!derived) derived = fail(derived.error().kind, derived.error().message + "; the next start makes it again");
  bool well = print_store("state", state, derived);
  well = print_store("delivery", delivery,
                     when_there(delivery, [&](const auto& path) { return delivery::DeliveryStore::verify(path, clock); })) &&
         well;
  return print_store("catalog", catalog, when_there(catalog, catalog::Catalog::verify)) && well;
}

}  // namespace

int verify_data(const std::string& data) {
  const auto log = logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock());
  if (!log && log.error().kind != ErrorKind::corrupt) return refuse(log.error(), kCannot);
  // Opened or not: what else is damaged is worth knowing.
  bool well = log.has_value();
  if (!log) fmt::print("logs      damaged, {}\n", log.error().message);
  if (log) well = check_logs(**log, data);
  return check_stores(data) && well ? kOk : kNotWell;
}

}  // namespace penstock::cli
