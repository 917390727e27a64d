#include "pipeline/delivery/delivery_database.h"

#include <fmt/format.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/codec.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::delivery {
namespace {

constexpr std::uint32_t kSchemaVersion = 2;  // 1 knew no keys, and wanted letters in the order of their ids
constexpr auto kSchemaKey = "schema";
constexpr auto kAgain = "again";    // of version 1: destination, zero byte, id of a letter that is wanted again → nothing
constexpr std::size_t kRowsAtOnce = 1000;

// A small database: a few cursors written again and again, and now and then a dead letter.
rocksdb::Options options(rocksdb::Env* env) {
  rocksdb::Options made;
  if (env != nullptr) made.env = env;
  made.create_if_missing = true;
  made.create_missing_column_families = true;
  // A log may end in a record that was not written whole, and by default opening passes over the rest of a log from any bad
  // record on: cursors and dead letters that were synced would be gone without a word.
  made.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  made.write_buffer_size = 4 << 20;
  made.max_total_wal_size = 16 << 20;
  made.max_open_files = 64;
  made.max_file_opening_threads = 1;  // or it starts sixteen for each family, to open a file or two
  made.info_log = database::no_log();
  made.stats_dump_period_sec = 0;
  return made;
}

// A newer program may have added families; all must be opened before its version can be read.
std::vector<std::string> families_of(const std::string& folder, const rocksdb::Options& options) {
  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(options, folder, &names).ok()) names = {rocksdb::kDefaultColumnFamilyName};
  for (const auto* ours : {kCursors, kDead, kWanted, kKeys, kBuried, kReplays}) {
    if (std::ranges::find(names, ours) == names.end()) names.emplace_back(ours);
  }
  return names;
}

std::vector<rocksdb::ColumnFamilyDescriptor> wanted_families(const std::string& folder, const rocksdb::Options& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
  for (const auto& name : families_of(folder, options)) wanted.emplace_back(name, rocksdb::ColumnFamilyOptions(options));
  return wanted;
}

bool is_damage(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound();
}

// RocksDB makes a new database where the file CURRENT is missing, and removes what was there. It writes tables and logs only
// after it.
bool lost_its_beginning(const std::vector<std::string>& files) {
  if (std::ranges::find(files, "CURRENT") != files.end()) return false;
  return std::ranges::any_of(files, [](const auto& file) { return file.ends_with(".sst") || file.ends_with(".log"); });
}

bool has_tables(const std::vector<std::string>& files) {
  return std::ranges::any_of(files, [](const auto& file) { return file.ends_with(".sst"); });
}

}  // namespace

std::string if_damaged(const std::string& folder) {
  return fmt::format(
      "it holds the cursors of destinations, their dead letters, and what is to be sent again: restore the data "
      "folder from a backup, or stop and move {} away; destinations then start by their `from:`, without "
      "those dead letters",
      folder);
}

std::unexpected<Error> DeliveryDatabase::failed(std::string_view what, const rocksdb::Status& status) const {
  Error error = database::error_of(fmt::format("{} {}", what, folder), status);
  if (!is_damage(status)) return fail(std::move(error));
  return fail(ErrorKind::corrupt, fmt::format("delivery's store is damaged ({}); {}", error.message, if_damaged(folder)));
}

Result<void> DeliveryDatabase::write(rocksdb::WriteBatch& batch, Sync sync) {
  if (const auto status = db->Write({}, &batch); !status.ok()) {
    trouble->note(status);
    return failed("write to", status);
  }
  if (sync == Sync::no) return {};
  // Apart from the write, because what could not be synced, for want of room too, may be there all the same.
  const bool refused = trouble->refuses();
  if (const auto status = db->SyncWAL(); !status.ok()) {
    // Another write had found no room: it is opened again, and who wanted this may want it again.
    if (refused) return failed("write to", status);
    trouble->note_final(status);
    return fail(*trouble->failure());
  }
  return {};
}

Result<void> DeliveryDatabase::check_schema(bool had_tables) {
  std::string stored;
  const auto status = db->Get({}, kSchemaKey, &stored);
  if (status.IsNotFound() && had_tables)
    return failed("open", rocksdb::Status::Corruption("it has lost its schema version"));
  if (status.IsNotFound()) return write_schema_version();
  if (!status.ok()) return failed("read", status);
  const auto version = Reader(stored).fixed<std::uint32_t>();
  if (!version) return fail(version.error().context(folder + ": schema version"));
  if (*version == kSchemaVersion) return {};
  if (*version < kSchemaVersion) return upgrade();
  return fail(
      ErrorKind::conflict,
      fmt::format("{} has schema version {}, but this program knows only up to version {}: it was written by a newer "
                  "one; run that, or give this one another data folder",
                  folder, *version, kSchemaVersion));
}

Result<void> DeliveryDatabase::write_schema_version() {
  std::string version;
  Writer(version).fixed(kSchemaVersion);
  rocksdb::WriteBatch batch;
  batch.Put(kSchemaKey, version);
  return write(batch, Sync::yes);
}

// From version 1. A crash in the middle does it again from the start.
Result<void> DeliveryDatabase::upgrade() {
  auto* again = family(kAgain);
  rocksdb::WriteBatch batch;
  const std::unique_ptr<rocksdb::Iterator> rows(db->NewIterator({}, family(kDead)));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const auto id = rows->key().ToStringView();
    const auto letter = decode_dead_letter(rows->value().ToStringView());
    if (!letter) continue;  // it cannot be sent again; whoever lists it is told
    keys->put(batch, *letter, id);
    std::string found;
    const auto wanted =
        again == nullptr ? rocksdb::Status::NotFound() : db->Get({}, again, wanted_prefix(letter->stage).append(id), &found);
    if (wanted.ok()) batch.Put(family(kWanted), wanted_key(*letter, id), {});
    if (batch.Count() < kRowsAtOnce) continue;
    TRY(write(batch, Sync::no));
    batch.Clear();
  }
  if (!rows->status().ok()) return failed("read", rows->status());
  TRY(write(batch, Sync::no));
  return write_schema_version();
}

Result<void> DeliveryDatabase::open() {
  rocksdb::Options how = options(env);
  TRY_ASSIGN(const auto files, posix_disk().list(folder));
  if (lost_its_beginning(files)) return failed("open", rocksdb::Status::Corruption("the file CURRENT is missing"));
  const bool had_tables = has_tables(files);
  const auto wanted = wanted_families(folder, how);
  database::DiskTrouble::watch(how, trouble);
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::Open(how, folder, wanted, &families, &opened);
  if (status.IsNoSpace()) return fail(database::opening_error("open " + folder, status));
  if (!status.ok()) return failed("open", status);
  db.reset(opened);
  dead = std::make_unique<dead::DeadLetterTable>(*db, *family(kDead));
  keys = std::make_unique<DeadKeys>(*db, *family(kKeys));
  buried = std::make_unique<BuriedPlaces>(*db, *family(kBuried));
  TRY(check_schema(had_tables));
  return {};
}

Result<void> DeliveryDatabase::open_to_verify() {
  rocksdb::Options how = options(env);
  how.paranoid_checks = true;
  TRY_ASSIGN(const auto files, posix_disk().list(folder));
  if (lost_its_beginning(files)) return failed("open", rocksdb::Status::Corruption("the file CURRENT is missing"));
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::OpenForReadOnly(how, folder, wanted_families(folder, how), &families, &opened);
  if (!status.ok()) return failed("open", status);
  db.reset(opened);
  return {};
}

Result<void> DeliveryDatabase::verify() const {
  if (const auto status = db->VerifyChecksum(rocksdb::ReadOptions()); !status.ok()) return failed("read", status);
  return {};
}

Result<database::DiskTrouble::Held> DeliveryDatabase::hold_to_write() {
  rocksdb::Env& stands_on = env == nullptr ? *rocksdb::Env::Default() : *env;
  TRY(trouble->mend(stands_on, folder, [this] {
    close();
    return open();
  }));
  TRY_ASSIGN(auto held, trouble->hold());
  trouble->stop_compacting(*db, families);
  return held;
}

}  // namespace penstock::delivery
