#include "pipeline/delivery/buried_places.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <limits>
#include <memory>

#include "pipeline/database/disk_trouble.h"
#include "pipeline/delivery/dead_keys.h"

namespace penstock::delivery {
namespace {

std::string prefix_of(std::string_view destination) {
  std::string prefix(destination);
  prefix.push_back('\0');
  return prefix;
}

std::string row_at(std::string_view destination, std::size_t partition, std::uint64_t offset) {
  return prefix_of(destination).append(log_place(static_cast<std::int32_t>(partition), offset));
}

std::string row_of(const DeadLetter& letter, std::string_view id) {
  return prefix_of(letter.stage).append(log_place(letter)).append(id);
}

Error read_error(const rocksdb::Status& status) {
  return database::reading_error("read which events became dead letters", status);
}

}  // namespace

void BuriedPlaces::put(rocksdb::WriteBatch& batch, const DeadLetter& letter, std::string_view id) {
  batch.Put(&family_, row_of(letter, id), {});
}

void BuriedPlaces::pass(rocksdb::WriteBatch& batch, std::string_view destination, const Offsets& cursor) {
  const std::lock_guard lock(mutex_);
  Offsets& passed = passed_[std::string(destination)];
  passed.resize(cursor.size());
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator({}, &family_));
  for (std::size_t p = 0; p < cursor.size(); ++p) {
    const std::string end = row_at(destination, p, cursor[p]);
    const std::string begin = row_at(destination, p, passed[p]);
    if (begin >= end) continue;
    rows->Seek(begin);
    // What cannot be read stays: nobody asks for it any more.
    if (rows->Valid() && rows->key().compare(end) < 0) batch.DeleteRange(&family_, begin, end);
  }
  passed = cursor;
}

void BuriedPlaces::forget(rocksdb::WriteBatch& batch, std::string_view destination) {
  std::string end(destination);
  end.push_back('\1');
  batch.DeleteRange(&family_, prefix_of(destination), end);
  const std::lock_guard lock(mutex_);
  passed_.erase(std::string(destination));
}

Result<Offsets> BuriedPlaces::ends(std::string_view destination, std::size_t partitions) const {
  Offsets ends(partitions, 0);
  const std::unique_ptr<rocksdb::Iterator> rows(database_.NewIterator({}, &family_));
  for (std::size_t p = 0; p < partitions; ++p) {
    const std::string first = row_at(destination, p, 0);
    rows->SeekForPrev(row_at(destination, p, std::numeric_limits<std::uint64_t>::max()));
    if (!rows->status().ok()) return fail(read_error(rows->status()));
    if (rows->Valid() && rows->key().compare(first) >= 0)
      ends[p] = offset_of_place(rows->key().ToStringView().substr(prefix_of(destination).size())) + 1;
  }
  return ends;
}

Result<bool> BuriedPlaces::has(const DeadLetter& letter, std::string_view id) const {
  std::string stored;
  const auto status = database_.Get({}, &family_, row_of(letter, id), &stored);
  if (!status.ok() && !status.IsNotFound()) return fail(read_error(status));
  return status.ok();
}

}  // namespace penstock::delivery
