// penstock doctor --verify: reads everything that a stopped pipeline's data folder holds, and says whether it is whole.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iterator>
#include <map>

#include "connectors/logs/local/damage_list.h"
#include "connectors/logs/local/data_folder.h"
#include "connectors/logs/local/local_log.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/ingest/captured_position.h"
#include "pipeline/ports/folders.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/state/derived_state.h"
#include "pipeline/state/log_end.h"
#include "pipeline/state/rebuild.h"
#include "pipeline/topology/captured.h"

namespace penstock::cli {
namespace {

constexpr std::size_t kPlacesMax = 20;  // of each log

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

StateOptions state_of(const std::string& data) { return {.folder = data + "/state", .checkpoints = data + "/checkpoints"}; }

// The state, or what a start would make it from when it is missing or does not open: a checkpoint, or the log alone.
DerivedState::Stored stored_state(Log& log, const std::string& data) {
  const Clock& clock = system_clock();
  const StateOptions options = state_of(data);
  if (auto state = DerivedState::read_stored(options.folder, ingest::kCapturedSource, clock)) return *std::move(state);
  const auto checkpoint = state::look_for_checkpoint(options, log, clock);
  if (!checkpoint || checkpoint->empty()) return {};
  return DerivedState::read_stored(*checkpoint, ingest::kCapturedSource, clock).value_or(DerivedState::Stored{});
}

// What the state has applied of `events`, and ingest read of `captured`, must be there; `committed` are the positions of the newest
// commits, which go on from the state's.
Result<void> check_positions(Log& log, const std::string& data, const std::vector<SourcePosition>& committed) {
  DerivedState::Stored stored = stored_state(log, data);
  TRY(state::check_log_end(log, stored.next_sequence, state_of(data).folder));
  stored.positions.insert(stored.positions.end(), committed.begin(), committed.end());
  TRY_ASSIGN(const auto read, ingest::captured_positions(stored.positions, log.partitions()));
  return topology::check_captured(log, read, data);
}

// What can be read, and where damage is when it is more than the one that was told.
void print_damage(const std::string& data, LogName log, int partitions) {
  const auto found =
      logs::local::list_damage(posix_disk(), fmt::format("{}/log/{}", data, to_string(log)), log, partitions, kPlacesMax);
  if (!found) return fmt::print("          {}\n", found.error().message);
  fmt::print("          {} records with {} events can be read, before damage and behind it\n", found->records,
             found->events);
  if (found->count() < 2) return;
  fmt::print("          {} damaged places of {}:\n", found->count(), to_string(log));
  for (const auto& place : found->places) fmt::print("          {}\n", place);
  if (found->more > 0) fmt::print("          and {} more\n", found->more);
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
    const std::string before = checked ? "" : " before the first damage";
    fmt::print("{:<9} {} records, {} events{}, {:.1f} MB in {:.1f} s: {}\n", to_string(name), counts.records, counts.events,
               before, megabytes, took.count(), checked ? "whole" : "damaged, " + checked.error().message);
    if (!checked) print_damage(data, name, log.partitions());
    well = well && checked;
  }
  if (!well) return false;
  if (const auto checked = check_positions(log, data, positions); !checked) {
    fmt::print("{}\n", checked.error().message);
    well = false;
  }
  return well;
}

bool print_store(std::string_view name, const std::string& path, const Result<void>& checked) {
  if (const auto there = is_there(path); there && !*there) {
    fmt::print("{:<9} not there\n", name);
    return true;
  }
  fmt::print("{:<9} {}\n", name, checked ? "whole" : "damaged, " + checked.error().message);
  return checked.has_value();
}

// Looked at as closely as the command that is named would: files of the state are files of its checkpoints too, so what is
// damaged there may be damaged here.
std::string remedy_of_state(Log* log, const std::string& data) {
  if (log == nullptr) return fmt::format("once the logs open, `penstock rebuild-state {}` makes it again", data);
  const auto checkpoint = state::look_for_checkpoint(state_of(data), *log, system_clock());
  if (!checkpoint) return checkpoint.error().message;
  return fmt::format("`penstock rebuild-state {}` makes it again from {}", data,
                     checkpoint->empty() ? "the whole log `events`" : "the checkpoint " + *checkpoint);
}

// Of destinations that have started. A start would take them for new ones, but say so.
Result<void> check_cursors(const std::string& delivery, const std::string& catalog) {
  TRY_ASSIGN(const auto started, catalog::Catalog::started_in(catalog));
  std::vector<delivery::Cursor> cursors;
  TRY_ASSIGN(const bool there, is_there(delivery));
  if (there) {
    TRY_ASSIGN(cursors, delivery::DeliveryStore::cursors_in(delivery, system_clock()));
  }
  std::vector<std::string> lost;
  std::ranges::copy_if(started, std::back_inserter(lost), [&](const auto& name) {
    return std::ranges::find(cursors, name, &delivery::Cursor::destination) == cursors.end();
  });
  if (lost.empty()) return {};
  return fail(
      ErrorKind::corrupt,
      fmt::format("{} has lost the cursors of {}, and perhaps dead letters: restore the data folder from a backup, or let "
                  "them start by their `from:`, and send what they miss with `penstock replay`",
                  delivery, fmt::join(lost, ", ")));
}

// Each only if it is there: a new folder has none. `log` is null when it does not open.
bool check_stores(Log* log, const std::string& data) {
  const auto when_there = [](const std::string& path,
                             const std::function<Result<void>(const std::string&)>& verify) -> Result<void> {
    TRY_ASSIGN(const bool there, is_there(path));
    return there ? verify(path) : Result<void>();
  };
  const Clock& clock = system_clock();
  const std::string state = data + "/state", delivery = data + "/delivery", catalog = data + "/catalog.db";
  auto derived = when_there(state, [&](const auto& path) { return DerivedState::verify(path, clock); });
  if (!derived)
    derived = fail(derived.error().kind, fmt::format("{}; {}", derived.error().message, remedy_of_state(log, data)));
  bool well = print_store("state", state, derived);
  const auto delivered =
      when_there(delivery, [&](const auto& path) { return delivery::DeliveryStore::verify(path, clock); });
  well = print_store("delivery", delivery, delivered) && well;
  const auto told = when_there(catalog, catalog::Catalog::verify);
  well = print_store("catalog", catalog, told) && well;
  if (!delivered || !told || !is_there(catalog).value_or(false)) return well;
  if (const auto checked = check_cursors(delivery, catalog); !checked) {
    fmt::print("{}\n", checked.error().message);
    return false;
  }
  return well;
}

}  // namespace

int verify_data(const std::string& data) {
  const auto log = logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock());
  if (!log && log.error().kind != ErrorKind::corrupt) return refuse(log.error(), kCannot);
  // Opened or not: what else is damaged is worth knowing.
  bool well = log.has_value();
  if (!log) {
    fmt::print("logs      damaged, {}\n", log.error().message);
    const auto folder = logs::local::open_data_folder(posix_disk(), data, std::nullopt);
    for (const LogName name : {LogName::captured, LogName::events})
      if (folder) print_damage(data, name, folder->partitions);
  }
  if (log) well = check_logs(**log, data);
  return check_stores(log ? log->get() : nullptr, data) && well ? kOk : kNotWell;
}

}  // namespace penstock::cli
