#include "pipeline/dead/dead_letter_table.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <functional>
#include <memory>

#include "pipeline/database/disk_trouble.h"

namespace penstock::dead {
namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

Error error_of(std::string_view what, const rocksdb::Status& status) { return database::reading_error(what, status); }

bool matches(const DeadLetter& letter, const Filter& filter) {
  return (filter.stage.empty() || letter.stage == filter.stage) && (filter.code.empty() || letter.code == filter.code) &&
         letter.received_at >= filter.since;
}

// No letter of an event received at `time` or later has a smaller key.
std::string first_key_at(Timestamp time) {
  DeadLetter first;
  first.received_at = time;
  return dead_letter_id(first);
}

void seek(rocksdb::Iterator& rows, const std::string& oldest, const Page& page) {
  if (page.order == Order::newest_first) {
    if (page.after.empty()) return rows.SeekToLast();
    rows.SeekForPrev(page.after);
    if (rows.Valid() && rows.key() == slice(page.after)) rows.Prev();
    return;
  }
  rows.Seek(std::max(oldest, page.after));
  if (rows.Valid() && rows.key() == slice(page.after)) rows.Next();
}

// Calls `take` for each letter that matches, in the page's order, until it says false.
Result<void> scan(rocksdb::Iterator& rows, const Filter& filter, const Page& page,
                  const std::function<bool(std::string_view id, DeadLetter letter)>& take) {
  const std::string oldest = filter.since > Timestamp{} ? first_key_at(filter.since) : std::string();
  for (seek(rows, oldest, page); rows.Valid();) {
    const auto id = rows.key().ToStringView();
    if (page.order == Order::newest_first && id < oldest) break;
    auto letter = decode_dead_letter(rows.value().ToStringView());
    if (!letter) return fail(std::move(letter).error().context(fmt::format("dead letter {}", id)));
    if (matches(*letter, filter) && !take(id, *std::move(letter))) break;
    page.order == Order::newest_first ? rows.Prev() : rows.Next();
  }
  if (!rows.status().ok()) return fail(error_of("read dead letters", rows.status()));
  return {};
}

}  // namespace

bool fills(const std::vector<Listed>& letters, const Page& page) {
  std::size_t bytes = 0;
  for (const auto& each : letters) bytes += each.letter.body.size();
  return !letters.empty() && (letters.size() >= page.limit || bytes >= page.bytes);
}

DeadLetterTable::DeadLetterTable(rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family)
    : database_(database), family_(family) {}

Result<std::string> DeadLetterTable::put(rocksdb::WriteBatch& batch, const DeadLetter& letter) {
  std::string id = dead_letter_id(letter);
  std::string stored;
  encode(letter, stored);
  const auto status = batch.Put(&family_, id, stored);
  if (!status.ok()) return fail(error_of(fmt::format("put dead letter {}", id), status));
  return id;
}

Result<void> DeadLetterTable::remove(rocksdb::WriteBatch& batch, std::string_view id) {
  const auto status = batch.Delete(&family_, slice(id));
  if (!status.ok()) return fail(error_of(fmt::format("remove dead letter {}", id), status));
  return {};
}

Result<DeadLetter> DeadLetterTable::get(std::string_view id) const {
  std::string stored;
  const auto status = database_.Get(rocksdb::ReadOptions(), &family_, slice(id), &stored);
  if (status.IsNotFound()) return fail(ErrorKind::not_found, fmt::format("there is no dead letter {}", id));
  if (!status.ok()) return fail(error_of(fmt::format("read dead letter {}", id), status));
  auto letter = decode_dead_letter(stored);
  if (!letter) return fail(std::move(letter).error().context(fmt::format("dead letter {}", id)));
  return letter;
}

Result<std::vector<Listed>> DeadLetterTable::list(const Filter& filter, const Page& page) const {
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator(rocksdb::ReadOptions(), &family_));
  std::vector<Listed> found;
  if (page.limit == 0) return found;
  std::size_t bytes = 0;
  TRY(scan(*rows, filter, page, [&](std::string_view id, DeadLetter letter) {
    const std::size_t body_bytes = letter.body.size();
    if (!page.bodies) letter.body = {};
    bytes += letter.body.size();
    found.push_back({std::string(id), std::move(letter), body_bytes});
    return found.size() < page.limit && bytes < page.bytes;
  }));
  return found;
}

Result<std::uint64_t> DeadLetterTable::count(const Filter& filter) const {
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator(rocksdb::ReadOptions(), &family_));
  std::uint64_t found = 0;
  TRY(scan(*rows, filter, Page{.limit = 0, .after = {}, .order = Order::oldest_first},
           [&](std::string_view, DeadLetter) { return ++found, true; }));
  return found;
}

}  // namespace penstock::dead
