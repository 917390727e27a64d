#include "pipeline/state/state_database.h"

#include <fmt/format.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <filesystem>

#include "pipeline/base/codec.h"
#include "pipeline/ports/folders.h"

namespace penstock::state {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint64_t kExpiredSweepSeconds = 24 * 3600;
constexpr std::array kFamilyNames = {"default", "positions", "dead", "state"};

rocksdb::Options options(const Surroundings& around) {
  rocksdb::Options options;
  if (around.env != nullptr) options.env = around.env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.info_log = database::no_log();
  options.atomic_flush = true;  // the families and the position among them are durable together or not at all
  options.max_background_jobs = 2;
  options.db_write_buffer_size = 32 << 20;
  options.write_buffer_size = 16 << 20;
  options.max_open_files = 256;
  options.max_file_opening_threads = 1;  // or it starts sixteen for each family, to open a file or two
  options.compression = rocksdb::kLZ4Compression;
  return options;
}

// Takes expired rows out when the files they are in are rewritten anyway.
class ExpiredRows final : public rocksdb::CompactionFilter {
 public:
  explicit ExpiredRows(const Clock& clock) : clock_(clock) {}
  const char* Name() const override { return "penstock.expired_rows"; }
  Decision FilterV2(int, const rocksdb::Slice&, ValueType type, const rocksdb::Slice& stored, std::string*,
                    std::string*) const override {
    if (type != ValueType::kValue) return Decision::kKeep;
    const auto expires_at = Reader(stored.ToStringView()).signed_varint();
    if (!expires_at || *expires_at == 0) return Decision::kKeep;  // what cannot be read is told when it is asked for
    return *expires_at + kExpiredKept.count() < clock_.now().ms ? Decision::kRemove : Decision::kKeep;
  }

 private:
  const Clock& clock_;
};

// Of the tables: most keys an app asks for first are not there, and that must not cost a read.
rocksdb::ColumnFamilyOptions table_options(const rocksdb::CompactionFilter& expired_rows, const Surroundings& around) {
  rocksdb::ColumnFamilyOptions tables(options(around));
  rocksdb::BlockBasedTableOptions blocks;
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  tables.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  tables.compaction_filter = &expired_rows;
  tables.periodic_compaction_seconds = kExpiredSweepSeconds;
  return tables;
}

Result<Standing> decode_standing(std::string_view stored) {
  Reader in(stored);
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) {
    return fail(
        ErrorKind::conflict,
        fmt::format("is of version {}, but this program knows version {}: use the newer program", version, kVersion));
  }
  Standing standing;
  TRY_ASSIGN(standing.next_sequence, in.varint());
  TRY_ASSIGN(standing.chain_version, in.varint());
  TRY_ASSIGN(standing.complete_from_ms, in.signed_varint());
  return standing;
}

// The families are the database's own, whoever opens it.
std::vector<rocksdb::ColumnFamilyDescriptor> families(Database& database, const Surroundings& around) {
  database.expired_rows = std::make_unique<ExpiredRows>(around.clock);
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
  for (const char* name : kFamilyNames) wanted.emplace_back(name, options(around));
  wanted[kTables].options = table_options(*database.expired_rows, around);
  return wanted;
}

std::unexpected<Error> cannot_open(const std::string& folder, const rocksdb::Status& status) {
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
    return fail(ErrorKind::conflict,
                fmt::format("the state in {} is held by another process: {}", folder, status.ToString()));
  }
  if (status.IsInvalidArgument()) {  // it has a family that we do not know
    return fail(ErrorKind::conflict,
                fmt::format("the state in {} was written by a newer program ({}): use that", folder, status.ToString()));
  }
  if (status.IsCorruption() || status.IsPathNotFound() || status.IsNotFound()) {
    return fail(ErrorKind::corrupt, fmt::format("the state in {} is damaged ({})", folder, status.ToString()));
  }
  return fail(database::opening_error("open the state in " + folder, status));
}

}  // namespace

std::unexpected<Error> failed(std::string_view what, const rocksdb::Status& status) {
  return fail(database::error_of(what, status));
}

std::string pair_key(std::string_view first, std::string_view second) {
  std::string key;
  Writer to(key);
  to.text(first);
  to.bytes(second);
  return key;
}

std::string encode(const Standing& standing) {
  std::string out;
  Writer to(out);
  to.fixed(kVersion);
  to.varint(standing.next_sequence);
  to.varint(standing.chain_version);
  to.signed_varint(standing.complete_from_ms);
  return out;
}

Result<Standing> read_standing(const Database& database, const std::string& folder) {
  TRY_ASSIGN(const auto stored, get(database, kMeta, kStanding));
  if (!stored) return Standing{};
  auto standing = decode_standing(*stored);
  if (!standing) return fail(standing.error().context("the state in " + folder));
  return standing;
}

std::string encode_value(const StateChange& change) {
  std::string out;
  Writer to(out);
  to.signed_varint(change.expires_at.ms);
  to.bytes(change.value);
  return out;
}

Result<StateValue> decode_value(std::string_view stored) {
  Reader in(stored);
  StateValue value;
  TRY_ASSIGN(value.expires_at.ms, in.signed_varint());
  TRY_ASSIGN(value.value, in.bytes(in.remaining()));
  return value;
}

Result<Database> open_database(const std::string& folder, const Surroundings& around,
                               std::shared_ptr<database::DiskTrouble> trouble) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorKind::io, fmt::format("create the folder {}: {}", folder, error.message()));
  Database database;
  rocksdb::DB* opened = nullptr;
  if (!trouble) trouble = std::make_shared<database::DiskTrouble>("state", "the state in " + folder);
  database.trouble = std::move(trouble);
  rocksdb::DBOptions whole = options(around);
  database::DiskTrouble::watch(whole, database.trouble);
  const auto status = rocksdb::DB::Open(whole, folder, families(database, around), &database.families, &opened);
  database.db.reset(opened);
  if (!status.ok()) return cannot_open(folder, status);
  return database;
}

Result<Database> open_read_only(const std::string& folder, const Surroundings& around) {
  Database database;
  rocksdb::DB* opened = nullptr;
  const auto status =
      rocksdb::DB::OpenForReadOnly(options(around), folder, families(database, around), &database.families, &opened);
  database.db.reset(opened);
  if (!status.ok()) return cannot_open(folder, status);
  return database;
}

Result<void> flush(const Database& database) {
  const auto status = database.db->Flush(rocksdb::FlushOptions(), database.families);
  if (status.ok()) return {};
  database.trouble->note(status);
  return failed("flush the state", status);
}

Result<std::vector<SourcePosition>> read_positions(const Database& database, std::string_view source) {
  const std::string prefix = pair_key(source, {});
  const std::unique_ptr<rocksdb::Iterator> rows(
      database.db->NewIterator(rocksdb::ReadOptions(), database.families[kPositions]));
  std::vector<SourcePosition> positions;
  for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
    const auto partition = rows->key().ToStringView().substr(prefix.size());
    positions.push_back({std::string(source), std::string(partition), rows->value().ToString()});
  }
  if (!rows->status().ok()) return failed("read positions", rows->status());
  return positions;
}

Result<void> verify(const Database& database) {
  if (const auto status = database.db->VerifyChecksum(rocksdb::ReadOptions()); !status.ok())
    return cannot_open(database.db->GetName(), status);
  return {};
}

Result<void> copy_database(const Database& database, const std::string& to) {
  TRY_ASSIGN(const std::string absolute, absolute_path(to));
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(database.db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(absolute);
  if (!status.ok()) return failed("copy the state to " + to, status);
  return {};
}

Result<std::optional<std::string>> get(const Database& database, Family family, std::string_view key) {
  std::string stored;
  const auto status =
      database.db->Get(rocksdb::ReadOptions(), database.families[family], rocksdb::Slice(key.data(), key.size()), &stored);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return failed("read the state", status);
  return stored;
}

Result<void> write(Database& database, rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions without_wal;
  without_wal.disableWAL = true;
  const auto status = database.db->Write(without_wal, &batch);
  if (status.ok()) return {};
  database.trouble->note(status);
  return failed("write the state", status);
}

}  // namespace penstock::state
