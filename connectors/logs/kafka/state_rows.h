#pragma once
// What a commit changed besides its events, as messages of the compacted topic `state`: one for each row, so that the broker keeps of
// each the newest.
//
//   key    a letter, then the row's own: "p" source (its length, then the text) and input partition; "s" table (likewise) and key; "d"
//          the id of a dead letter; "c" nothing: the commit itself, always the last row of it
//   value  version (1), the number of the record after this commit (varint), then
//          p: the position     s: 1 when the row is removed, else 0; when it expires (signed varint, ms); the value
//          d: the dead letter  c: the version of the chain (varint), the holder of the log (16 bytes), how far `captured` is read (varint),
//          and the sources of the holder (source_prints.h); older programs leave these out
//
// A removed row stays as a row that says so: a tombstone goes after a day, and whoever was down longer would keep the old one.
// Pure; any thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/uuid.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

struct StateRow {
  std::string key;
  std::string value;
};

// What row "c" says.
struct Commit {
  std::uint64_t next_sequence = 0;
  std::uint64_t chain_version = 0;
  Uuid holder = {};
  std::uint64_t captured_read = 0;  // all of `captured` before it, as far as the shard goes
  std::string sources = {};  // of the holder's configuration (source_prints.h); empty: it does not say
};

StateRow encode_commit(const Commit& commit);
// The rows of a record without its chunks; that of the commit is the last.
std::vector<StateRow> encode_rows(const LogRecord& record, const Commit& commit);

// The number of the record after the commit that a row is of.
Result<std::uint64_t> next_sequence_of(std::string_view value);
// Nullopt: it is another row.
Result<std::optional<Commit>> read_commit(std::string_view key, std::string_view value);

// Puts records together again. Of a topic that was compacted, old ones come without what later ones have replaced, or not at all.
class RecordAssembler {
 public:
  // Records before this one are passed over.
  explicit RecordAssembler(std::uint64_t first) : next_(first) {}

  using Record = std::shared_ptr<const StoredRecord>;
  // Appends a record once its last row, or one of a later record, is given. corrupt, conflict: the row cannot be read.
  Result<void> take(std::string_view key, std::string_view value, Timestamp written_at, std::vector<Record>& out);

 private:
  void finish(std::vector<Record>& out);

  std::uint64_t next_;
  std::shared_ptr<StoredRecord> open_;  // the record that rows are coming of
};

}  // namespace penstock::logs::kafka
