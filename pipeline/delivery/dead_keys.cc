#include "pipeline/delivery/dead_keys.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <limits>
#include <memory>

#include "pipeline/database/disk_trouble.h"

namespace penstock::delivery {
namespace {

// The first byte is the highest, so that bytes sort as numbers do.
template <class Number>
void append_big_endian(std::string& out, Number number) {
  for (int shift = 8 * (static_cast<int>(sizeof number) - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>((number >> shift) & 0xFF));
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes.substr(0, sizeof number)) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

std::string prefix_of(std::string_view destination) {
  std::string prefix(destination);
  prefix.push_back('\0');
  return prefix;
}

std::string prefix_of(std::string_view destination, OrderKey key) {
  std::string prefix = prefix_of(destination);
  append_big_endian(prefix, key);
  return prefix;
}

std::string row_of(const DeadLetter& letter, OrderKey key, std::string_view id) {
  return prefix_of(letter.stage, key).append(log_place(letter)).append(id);
}

Error read_error(const rocksdb::Status& status) { return database::reading_error("read the keys of dead letters", status); }

}  // namespace

std::string log_place(std::int32_t partition, std::uint64_t offset) {
  std::string place;
  append_big_endian(place, static_cast<std::uint32_t>(partition));
  append_big_endian(place, offset);
  return place;
}

std::string log_place(const DeadLetter& letter) { return log_place(letter.partition, letter.offset); }

std::uint64_t offset_of_place(std::string_view place) { return read_big_endian(place.substr(sizeof(std::uint32_t))); }

void DeadKeys::put(rocksdb::WriteBatch& batch, const DeadLetter& letter, std::string_view id) {
  if (const OrderKey key = key_of(letter); key != 0) {
    const std::string row = row_of(letter, key, id);
    batch.Put(&family_, row, letter.code == kBehindDead ? "1" : "0");
    const std::lock_guard lock(mutex_);
    const auto begin = begins_.find(prefix_of(letter.stage, key));
    if (begin != begins_.end() && row < begin->second) begin->second = row;
  }
}

void DeadKeys::remove(rocksdb::WriteBatch& batch, const DeadLetter& letter, std::string_view id) {
  if (const OrderKey key = key_of(letter); key != 0) batch.Delete(&family_, row_of(letter, key, id));
}

void DeadKeys::remove(rocksdb::WriteBatch& batch, std::string_view destination, OrderKey key, const Entry& entry) {
  batch.Delete(&family_, prefix_of(destination, key).append(entry.place_and_id));
}

Result<bool> DeadKeys::has(const DeadLetter& letter, std::string_view id) const {
  const OrderKey key = key_of(letter);
  if (key == 0) return false;
  std::string stored;
  const auto status = database_.Get({}, &family_, row_of(letter, key, id), &stored);
  if (!status.ok() && !status.IsNotFound()) return fail(read_error(status));
  return status.ok();
}

Result<std::vector<FirstDead>> DeadKeys::firsts(std::string_view destination) const {
  std::vector<FirstDead> found;
  const std::string prefix = prefix_of(destination);
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator({}, &family_));
  for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
    const auto row = rows->key().ToStringView().substr(prefix.size());
    const OrderKey key = read_big_endian(row);
    if (found.empty() || found.back().key != key)
      found.push_back({key, read_big_endian(row.substr(sizeof key + sizeof(std::uint32_t)))});
  }
  if (!rows->status().ok()) return fail(read_error(rows->status()));
  return found;
}

// An id begins with the time of receipt. What only waits behind another is not what has to be mended.
Result<std::string> DeadKeys::oldest_first(std::string_view destination, std::size_t keys) const {
  std::string oldest;
  const std::string prefix = prefix_of(destination);
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator({}, &family_));
  rows->Seek(prefix);
  for (; keys > 0 && rows->Valid() && rows->key().starts_with(prefix); --keys) {
    const auto row = rows->key().ToStringView().substr(prefix.size());
    const OrderKey key = read_big_endian(row);
    const auto id = row.substr(sizeof key + kLogPlaceBytes);
    if (rows->value() != "1" && (oldest.empty() || id < oldest)) oldest = id;
    if (key == std::numeric_limits<OrderKey>::max()) break;
    rows->Seek(prefix_of(destination, key + 1));  // past all that wait behind it
  }
  if (!rows->status().ok()) return fail(read_error(rows->status()));
  return oldest;
}

Result<std::vector<DeadKeys::Entry>> DeadKeys::first(std::string_view destination, OrderKey key, std::size_t limit) const {
  std::vector<Entry> found;
  const std::string prefix = prefix_of(destination, key);
  std::string from = prefix;
  {
    const std::lock_guard lock(mutex_);
    if (const auto begin = begins_.find(prefix); begin != begins_.end()) from = begin->second;
  }
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator({}, &family_));
  for (rows->Seek(from); rows->Valid() && rows->key().starts_with(prefix) && found.size() < limit; rows->Next()) {
    found.push_back({rows->key().ToString().substr(prefix.size()), rows->value() == "1"});
  }
  if (!rows->status().ok()) return fail(read_error(rows->status()));
  return found;
}

Result<std::vector<DeadKeys::Entry>> DeadKeys::first_to_release(std::string_view destination, OrderKey key,
                                                                std::size_t limit) {
  TRY_ASSIGN(auto found, first(destination, key, limit));
  std::string prefix = prefix_of(destination, key);
  const std::lock_guard lock(mutex_);
  if (found.empty()) begins_.erase(prefix);
  else begins_[prefix] = prefix + found.front().place_and_id;
  return found;
}

}  // namespace penstock::delivery
