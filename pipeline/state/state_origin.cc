#include "pipeline/state/state_origin.h"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "pipeline/base/log.h"
#include "pipeline/event/timestamps.h"
#include "pipeline/ports/folders.h"
#include "pipeline/state/log_end.h"
#include "pipeline/state/state_folder.h"

namespace penstock::state {
namespace {

// Whether the log has this record and all after it.
Result<bool> goes_on_from(Log& log, std::uint64_t sequence) {
  if (sequence > log.next_sequence(LogName::events)) return false;
  const auto reader = log.read_from_sequence(LogName::events, sequence);
  if (reader) return true;
  if (reader.error().kind == ErrorKind::not_found) return false;
  return fail(reader.error());
}

// By halving, since a log is asked for records, not for its beginning.
Result<std::uint64_t> oldest_record(Log& log) {
  std::uint64_t kept = log.next_sequence(LogName::events);
  TRY_ASSIGN(const bool whole, goes_on_from(log, 0));
  if (whole) return 0;
  std::uint64_t gone = 0;
  while (kept - gone > 1) {
    const std::uint64_t middle = gone + (kept - gone) / 2;
    TRY_ASSIGN(const bool there, goes_on_from(log, middle));
    (there ? kept : gone) = middle;
  }
  return kept;
}

Result<Timestamp> time_of(Log& log, std::uint64_t sequence) {
  TRY_ASSIGN(const auto reader, log.read_from_sequence(LogName::events, sequence));
  TRY_ASSIGN(const auto record, reader->next());
  return record ? record->appended_at : Timestamp{1};
}

using TryCheckpoint = std::function<Result<void>(const Checkpoint& checkpoint)>;

// The newest that fits the log and that `attempt` takes; the damaged ones before it go to `damaged`. Nullopt: there is none.
Result<std::optional<Checkpoint>> newest_of(const Checkpoints& checkpoints, Log& log, std::vector<Checkpoint>& damaged,
                                            const TryCheckpoint& attempt) {
  TRY_ASSIGN(const auto all, checkpoints.list());
  for (const Checkpoint& checkpoint : all) {
    TRY_ASSIGN(const bool fits, goes_on_from(log, checkpoint.next_sequence));
    if (!fits) continue;
    const auto tried = attempt(checkpoint);
    if (tried) return checkpoint;
    if (tried.error().kind != ErrorKind::corrupt) return fail(tried.error());
    log_warning("state", "the checkpoint {} is of no use: {}", checkpoint.folder, tried.error().message);
    damaged.push_back(checkpoint);
  }
  return std::nullopt;
}

Result<std::optional<Checkpoint>> restore_newest(const std::string& folder, const Checkpoints& checkpoints, Log& log,
                                                 std::vector<Checkpoint>& damaged) {
  return newest_of(checkpoints, log, damaged, [&](const Checkpoint& checkpoint) -> Result<void> {
    auto restored = checkpoints.restore(checkpoint, folder);
    if (!restored) TRY(remove_folder(folder));
    return restored;
  });
}

Result<Beginning> make_empty(const std::string& folder, Log& log, std::uint64_t from, const Surroundings& around) {
  Beginning beginning{.sequence = from};
  TRY_ASSIGN(Database database, open_database(folder, around));
  if (from > 0) {
    TRY_ASSIGN(beginning.complete_from, time_of(log, from));
    rocksdb::WriteBatch batch;
    batch.Put(database.families[kMeta], std::string(kStanding),
              encode({.next_sequence = from, .complete_from_ms = beginning.complete_from.ms}));
    TRY(write(database, batch));
    TRY(flush(database));
  }
  return beginning;
}

std::unexpected<Error> nothing_to_make_it_from(const Origin& origin, Log& log, std::uint64_t oldest) {
  TRY_ASSIGN(const Timestamp from, time_of(log, oldest));
  const std::string data = std::filesystem::path(origin.folder).parent_path().string();
  return fail(ErrorKind::corrupt,
              fmt::format("no checkpoint in {} fits, and the log `events` begins at record {}, of {}: how far sources were "
                          "read, rows of app.state and ingest's dead letters from before that are lost. `penstock "
                          "rebuild-state {} --from-start` goes on with what is left; sources that can be read again then "
                          "bring what they brought before",
                          origin.checkpoints, oldest, format_timestamp(from), data));
}

// What knows more than this many records knows another log, or what was cut off this one.
Result<std::vector<Checkpoint>> checkpoints_beyond(std::uint64_t records, const Origin& origin, const Surroundings& around) {
  TRY_ASSIGN(auto all, Checkpoints(origin.checkpoints, around).list());
  std::erase_if(all, [&](const Checkpoint& checkpoint) { return checkpoint.next_sequence <= records; });
  return all;
}

// Nullopt: the database is in `opened`; else why it is of no use.
Result<std::optional<std::string>> try_to_open(const std::string& folder, Log& log, const Surroundings& around,
                                               Database& opened) {
  TRY_ASSIGN(const bool there, is_there(folder + "/CURRENT"));
  if (!there) return "there is no state in " + folder;
  auto database = open_database(folder, around);
  if (!database && database.error().kind == ErrorKind::corrupt) return database.error().message;
  if (!database) return fail(std::move(database).error());
  const auto standing = read_standing(*database, folder);
  if (!standing && standing.error().kind == ErrorKind::corrupt) return standing.error().message;
  if (!standing) return fail(standing.error());
  TRY_ASSIGN(const bool fits, goes_on_from(log, standing->next_sequence));
  if (!fits) {
    TRY(check_log_end(log, standing->next_sequence, folder));
    return fmt::format(
        "the state in {} has applied {} records, but the log `events` begins after that, and ends before record {}", folder,
        standing->next_sequence, log.next_sequence(LogName::events));
  }
  opened = *std::move(database);
  return std::nullopt;
}

}  // namespace

Result<Beginning> look_for_beginning(const Origin& origin, Log& log, const Surroundings& around) {
  Beginning beginning;
  const Checkpoints checkpoints(origin.checkpoints, around);
  TRY_ASSIGN(const auto found, newest_of(checkpoints, log, beginning.damaged,
                                         [&](const Checkpoint& checkpoint) { return checkpoints.verify(checkpoint); }));
  if (found) {
    beginning.sequence = found->next_sequence;
    beginning.checkpoint = found->folder;
    return beginning;
  }
  TRY_ASSIGN(const std::uint64_t oldest, oldest_record(log));
  if (oldest > 0) return nothing_to_make_it_from(origin, log, oldest);
  return beginning;
}

Result<Beginning> make_anew(const std::string& folder, const Origin& origin, bool from_start, Log& log,
                            const Surroundings& around) {
  TRY(remove_folder(folder));
  std::vector<Checkpoint> damaged;
  if (!from_start) {
    TRY_ASSIGN(const auto restored, restore_newest(folder, Checkpoints(origin.checkpoints, around), log, damaged));
    if (restored) {
      TRY_ASSIGN(const Database database, open_read_only(folder, around));
      TRY_ASSIGN(const Standing standing, read_standing(database, folder));
      return Beginning{standing.next_sequence, {standing.complete_from_ms}, restored->folder, std::move(damaged)};
    }
  }
  TRY_ASSIGN(const std::uint64_t oldest, oldest_record(log));
  if (oldest > 0 && !from_start) return nothing_to_make_it_from(origin, log, oldest);
  TRY_ASSIGN(Beginning beginning, make_empty(folder, log, oldest, around));
  beginning.damaged = std::move(damaged);
  return beginning;
}

Result<Opened> open_from(const Origin& origin, Log& log, const Surroundings& around) {
  TRY(undo_broken_swap(origin.folder));
  const std::uint64_t end = log.next_sequence(LogName::events);
  Opened opened;
  TRY_ASSIGN(opened.useless, checkpoints_beyond(end, origin, around));
  TRY_ASSIGN(const bool there, is_there(origin.folder));
  if (end == 0 && !there) {  // a new pipeline
    TRY_ASSIGN(opened.database, open_database(origin.folder, around));
    return opened;
  }
  TRY_ASSIGN(const auto unusable, try_to_open(origin.folder, log, around, opened.database));
  if (!unusable) return opened;
  const std::string made = origin.folder + ".new";
  auto beginning = make_anew(made, origin, false, log, around);
  if (!beginning) return fail(std::move(beginning).error().context(*unusable));
  TRY(swap_in(made, origin.folder));
  if (beginning->checkpoint.empty() && end > 0) {
    log_warning("state", "{}; it is made again from the whole log `events`, {} records", *unusable, end);
  } else if (end > 0) {
    log_warning("state", "{}; it starts from the checkpoint {}, and reads {} records of the log `events` after it",
                *unusable, beginning->checkpoint, end - beginning->sequence);
  }
  opened.useless.insert(opened.useless.end(), beginning->damaged.begin(), beginning->damaged.end());
  TRY_ASSIGN(opened.database, open_database(origin.folder, around));
  return opened;
}

}  // namespace penstock::state
