#include "connectors/logs/kafka/state_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/base/codec.h"

namespace penstock::logs::kafka {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr char kPosition = 'p';
constexpr char kState = 's';
constexpr char kDead = 'd';
constexpr char kCommit = 'c';

std::string pair_key(char kind, std::string_view first, std::string_view second) {
  std::string key(1, kind);
  Writer to(key);
  to.text(first);
  to.bytes(second);
  return key;
}

std::string begin_value(std::uint64_t next_sequence) {
  std::string value;
  Writer to(value);
  to.fixed(kVersion);
  to.varint(next_sequence);
  return value;
}

Result<std::uint64_t> read_beginning(Reader& in) {
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) {
    return fail(version > kVersion ? ErrorKind::conflict : ErrorKind::corrupt,
                fmt::format("a row of version {}, and this program knows version {}", version, kVersion));
  }
  return in.varint();
}

Result<void> read_state(Reader& key, Reader& in, StoredRecord& record) {
  StateChange change;
  TRY_ASSIGN(change.table, key.text());
  TRY_ASSIGN(change.key, key.bytes(key.remaining()));
  TRY_ASSIGN(const auto removed, in.fixed<std::uint8_t>());
  change.removed = removed != 0;
  TRY_ASSIGN(change.expires_at.ms, in.signed_varint());
  TRY_ASSIGN(change.value, in.bytes(in.remaining()));
  record.state.push_back(std::move(change));
  return {};
}

Result<void> read_position(Reader& key, Reader& in, StoredRecord& record) {
  SourcePosition position;
  TRY_ASSIGN(position.source, key.text());
  TRY_ASSIGN(position.partition, key.bytes(key.remaining()));
  TRY_ASSIGN(position.position, in.bytes(in.remaining()));
  record.positions.push_back(std::move(position));
  return {};
}

Result<Commit> read_rest_of_commit(Reader& in, std::uint64_t next_sequence) {
  Commit commit{.next_sequence = next_sequence};
  TRY_ASSIGN(commit.chain_version, in.varint());
  TRY_ASSIGN(const auto holder, in.bytes(commit.holder.bytes.size()));
  std::ranges::copy(holder, commit.holder.bytes.begin());
  if (in.remaining() > 0) {
    TRY_ASSIGN(commit.captured_read, in.varint());
    TRY_ASSIGN(commit.sources, in.bytes(in.remaining()));
  }
  return commit;
}

}  // namespace

StateRow encode_commit(const Commit& commit) {
  StateRow row{std::string(1, kCommit), begin_value(commit.next_sequence)};
  Writer to(row.value);
  to.varint(commit.chain_version);
  to.bytes({reinterpret_cast<const char*>(commit.holder.bytes.data()), commit.holder.bytes.size()});
  to.varint(commit.captured_read);
  to.bytes(commit.sources);
  return row;
}

std::vector<StateRow> encode_rows(const LogRecord& record, const Commit& commit) {
  std::vector<StateRow> rows;
  rows.reserve(record.positions.size() + record.state.size() + record.dead.size() + 1);
  const std::string begin = begin_value(commit.next_sequence);
  for (const auto& [source, partition, position] : record.positions)
    rows.push_back({pair_key(kPosition, source, partition), begin + position});
  for (const StateChange& change : record.state) {
    StateRow row{pair_key(kState, change.table, change.key), begin};
    Writer to(row.value);
    to.fixed(static_cast<std::uint8_t>(change.removed ? 1 : 0));
    to.signed_varint(change.expires_at.ms);
    to.bytes(change.value);
    rows.push_back(std::move(row));
  }
  for (const DeadLetter& letter : record.dead) {
    StateRow row{kDead + dead_letter_id(letter), begin};
    encode(letter, row.value);
    rows.push_back(std::move(row));
  }
  rows.push_back(encode_commit(commit));
  return rows;
}

Result<std::uint64_t> next_sequence_of(std::string_view value) {
  Reader in(value);
  return read_beginning(in);
}

Result<std::optional<Commit>> read_commit(std::string_view key, std::string_view value) {
  if (key.size() != 1 || key.front() != kCommit) return std::nullopt;
  Reader in(value);
  TRY_ASSIGN(const std::uint64_t next, read_beginning(in));
  TRY_ASSIGN(const Commit commit, read_rest_of_commit(in, next));
  return commit;
}

Result<void> RecordAssembler::take(std::string_view key, std::string_view value, Timestamp written_at,
                                   std::vector<Record>& out) {
  Reader in(value);
  TRY_ASSIGN(const std::uint64_t next, read_beginning(in));
  if (open_ && next > open_->sequence + 1) finish(out);
  if (next <= next_ || key.empty()) return {};
  if (!open_) {
    open_ = std::make_shared<StoredRecord>();
    open_->sequence = next - 1;
  }
  open_->appended_at = written_at;
  Reader rest_of_key(key.substr(1));
  switch (key.front()) {
    case kPosition: return read_position(rest_of_key, in, *open_);
    case kState: return read_state(rest_of_key, in, *open_);
    case kDead: {
      TRY_ASSIGN(const auto stored, in.bytes(in.remaining()));
      TRY_ASSIGN(DeadLetter letter, decode_dead_letter(stored));
      open_->dead.push_back(std::move(letter));
      return {};
    }
    case kCommit: {
      TRY_ASSIGN(const Commit commit, read_rest_of_commit(in, next));
      open_->chain_version = commit.chain_version;
      finish(out);
      return {};
    }
    default: return fail(ErrorKind::conflict, "a row of a kind that this program does not know; use the newer program");
  }
}

void RecordAssembler::finish(std::vector<Record>& out) {
  open_->gone_before = open_->sequence - next_;
  next_ = open_->sequence + 1;
  out.push_back(std::exchange(open_, nullptr));
}

}  // namespace penstock::logs::kafka
