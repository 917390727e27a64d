#include "pipeline/delivery/delivery_store.h"

#include <fmt/format.h>
#include <rocksdb/utilities/checkpoint.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <system_error>
#include <utility>

#include "pipeline/base/codec.h"
#include "pipeline/delivery/delivery_database.h"
#include "pipeline/delivery/settings.h"
#include "pipeline/ports/folders.h"

namespace penstock::delivery {
namespace {

constexpr std::uint8_t kCursorVersion = 1;
constexpr std::size_t kWantedAtOnce = 1000;
constexpr std::size_t kReleasedAtOnce = 1000;  // of one key
constexpr std::size_t kKeysLookedAt = 1000;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

std::string encode_cursor(const Offsets& next, Timestamp seen_at) {
  std::string stored;
  Writer writer(stored);
  writer.fixed(kCursorVersion);
  writer.fixed(seen_at.ms);
  writer.varint(next.size());
  for (const auto offset : next) writer.varint(offset);
  return stored;
}

Result<Cursor> decode_cursor(std::string_view destination, std::string_view stored) {
  Reader in(stored);
  Cursor cursor{std::string(destination), {}, {}};
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kCursorVersion) {
    return fail(ErrorKind::corrupt,
                fmt::format("version {}, but this program knows only version {}", version, kCursorVersion));
  }
  TRY_ASSIGN(cursor.seen_at.ms, in.fixed<std::int64_t>());
  TRY_ASSIGN(const std::uint64_t count, in.varint());
  if (count > in.remaining()) return fail(ErrorKind::corrupt, "more offsets than bytes");
  for (std::uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const std::uint64_t offset, in.varint());
    cursor.next.push_back(offset);
  }
  if (!in.at_end()) return fail(ErrorKind::corrupt, "bytes after its end");
  return cursor;
}

Result<Cursor> read_cursor(std::string_view destination, std::string_view stored) {
  auto cursor = decode_cursor(destination, stored);
  if (!cursor) return fail(std::move(cursor).error().context(fmt::format("cursor of destination {}", destination)));
  return cursor;
}

}  // namespace

struct DeliveryStore::Impl : DeliveryDatabase {
  using DeliveryDatabase::DeliveryDatabase;

  // Unique: who wants letters by what is there to be read. Shared: who takes them away, or puts them. Else one would be wanted
  // for ever that somebody took away in between.
  std::shared_mutex letters_change;

  Result<std::vector<Cursor>> cursors() const;
  Result<std::vector<DeadKeys::Entry>> first_letter(std::string_view destination, OrderKey key);
  Result<void> release(rocksdb::WriteBatch& batch, std::string_view destination, OrderKey key, Released& released);
};

Result<std::unique_ptr<DeliveryStore>> DeliveryStore::open(const std::string& folder, const Clock& clock,
                                                           rocksdb::Env* env) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorKind::io, fmt::format("create {}: {}", folder, error.message()));

  auto impl = std::make_unique<Impl>(folder, clock, env);
  TRY(impl->open());
  return std::unique_ptr<DeliveryStore>(new DeliveryStore(std::move(impl)));
}

Result<void> DeliveryStore::verify(const std::string& folder, const Clock& clock) {
  Impl impl(folder, clock, nullptr);
  TRY(impl.open_to_verify());
  return impl.verify();
}

Result<std::vector<Cursor>> DeliveryStore::cursors_in(const std::string& folder, const Clock& clock) {
  Impl impl(folder, clock, nullptr);
  TRY(impl.open_to_verify());
  return impl.cursors();
}

DeliveryStore::DeliveryStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeliveryStore::~DeliveryStore() = default;

std::optional<Error> DeliveryStore::failure() const { return impl_->trouble->failure(); }

std::optional<Error> DeliveryStore::damage() const { return impl_->trouble->damage(); }

Result<std::optional<Cursor>> DeliveryStore::cursor(std::string_view destination) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  std::string stored;
  const auto status = impl_->db->Get({}, impl_->family(kCursors), slice(destination), &stored);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return impl_->unread(status);
  TRY_ASSIGN(Cursor cursor, read_cursor(destination, stored));
  return cursor;
}

Result<std::vector<Cursor>> DeliveryStore::cursors() const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  return impl_->cursors();
}

Result<std::vector<Cursor>> DeliveryStore::Impl::cursors() const {
  std::vector<Cursor> found;
  const std::unique_ptr<rocksdb::Iterator> rows(db->NewIterator({}, family(kCursors)));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    TRY_ASSIGN(Cursor cursor, read_cursor(rows->key().ToStringView(), rows->value().ToStringView()));
    found.push_back(std::move(cursor));
  }
  if (!rows->status().ok()) return failed("read", rows->status());
  return found;
}

Result<void> DeliveryStore::save_cursor(std::string_view destination, const Offsets& next, Sync sync) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  rocksdb::WriteBatch batch;
  batch.Put(impl_->family(kCursors), slice(destination), encode_cursor(next, impl_->clock.now()));
  impl_->buried->pass(batch, destination, next);
  return impl_->write(batch, sync);
}

Result<void> DeliveryStore::forget_cursor(std::string_view destination) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  rocksdb::WriteBatch batch;
  batch.Delete(impl_->family(kCursors), slice(destination));
  impl_->buried->forget(batch, destination);
  return impl_->write(batch, Sync::yes);
}

Result<std::optional<ReplayOrder>> DeliveryStore::replay(std::string_view destination) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  std::string stored;
  const auto status = impl_->db->Get({}, impl_->family(kReplays), slice(destination), &stored);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return impl_->unread(status);
  auto order = decode_replay(stored);
  if (!order) return fail(std::move(order).error().context(fmt::format("replay of destination {}", destination)));
  return *std::move(order);
}

Result<void> DeliveryStore::save_replay(std::string_view destination, const std::optional<ReplayOrder>& order, Sync sync) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  rocksdb::WriteBatch batch;
  if (order) batch.Put(impl_->family(kReplays), slice(destination), encode(*order));
  else batch.Delete(impl_->family(kReplays), slice(destination));
  return impl_->write(batch, sync);
}

Result<void> DeliveryStore::bury(std::span<const DeadLetter> letters, Sent sent) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  const std::shared_lock lock(impl_->letters_change);
  rocksdb::WriteBatch batch;
  for (const auto& letter : letters) {
    const std::string id = dead_letter_id(letter);
    bool as_it_is = false;
    if (letter.code == kBehindDead) {
      TRY_ASSIGN(as_it_is, impl_->keys->has(letter, id));
    }
    if (sent == Sent::again && !as_it_is) {
      const auto there = impl_->dead->get(id);
      as_it_is = !there && there.error().kind == ErrorKind::not_found;
    }
    if (!as_it_is) {
      TRY(impl_->dead->put(batch, letter));
      impl_->keys->put(batch, letter, id);
    }
    if (sent == Sent::first) impl_->buried->put(batch, letter, id);
    if (sent == Sent::again) batch.Delete(impl_->family(kWanted), wanted_key(letter, id));
  }
  return impl_->write(batch, Sync::yes);
}

Result<Offsets> DeliveryStore::buried_until(std::string_view destination, std::size_t partitions) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  return impl_->buried->ends(destination, partitions);
}

Result<bool> DeliveryStore::was_buried(const DeadLetter& letter) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  return impl_->buried->has(letter, dead_letter_id(letter));
}

Result<void> DeliveryStore::discard(std::span<const std::string> ids) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  // A letter that is being recorded again looks whether it is still there.
  const std::unique_lock lock(impl_->letters_change);
  rocksdb::WriteBatch batch;
  for (const auto& id : ids) {
    const auto letter = impl_->dead->get(id);
    if (!letter && letter.error().kind == ErrorKind::not_found) continue;
    // One that cannot be read can still be thrown away; whether it was wanted is then never found out, and harms nobody.
    if (letter) {
      batch.Delete(impl_->family(kWanted), wanted_key(*letter, id));
      impl_->keys->remove(batch, *letter, id);
    }
    TRY(impl_->dead->remove(batch, id));
  }
  return impl_->write(batch, Sync::yes);
}

Result<std::uint64_t> DeliveryStore::want_again(const dead::Filter& filter) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  std::uint64_t count = 0;
  dead::Page page{.limit = kWantedAtOnce, .after = {}, .order = dead::Order::oldest_first, .bodies = false};
  for (;;) {
    const std::unique_lock lock(impl_->letters_change);
    TRY_ASSIGN(const auto letters, impl_->dead->list(filter, page));
    if (letters.empty()) return count;
    rocksdb::WriteBatch batch;
    for (const auto& each : letters) batch.Put(impl_->family(kWanted), wanted_key(each.letter, each.id), {});
    TRY(impl_->write(batch, Sync::yes));
    count += letters.size();
    page.after = letters.back().id;
  }
}

Result<std::uint64_t> DeliveryStore::want_again(std::span<const std::string> ids) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  const std::unique_lock lock(impl_->letters_change);
  std::uint64_t count = 0;
  rocksdb::WriteBatch batch;
  for (const auto& id : ids) {
    const auto letter = impl_->dead->get(id);
    if (!letter && letter.error().kind == ErrorKind::not_found) continue;
    if (!letter) return fail(letter.error());
    batch.Put(impl_->family(kWanted), wanted_key(*letter, id), {});
    ++count;
  }
  TRY(impl_->write(batch, Sync::yes));
  return count;
}

Result<DeliveryStore::Wanted> DeliveryStore::wanted(std::string_view destination, std::size_t limit,
                                                    std::string_view after) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  Wanted found;
  std::size_t bytes = 0;
  const std::string prefix = wanted_prefix(destination);
  const std::unique_ptr<rocksdb::Iterator> rows(impl_->db->NewIterator({}, impl_->family(kWanted)));
  // Not from the first again and again: RocksDB steps over all that were removed.
  const std::string from = after.empty() ? prefix : std::string(after) + '\0';
  for (rows->Seek(from); rows->Valid() && rows->key().starts_with(prefix) && bytes < kLettersAgainMax.count &&
                         found.letters.size() + found.unread.size() < limit;
       rows->Next()) {
    found.last = rows->key().ToString();
    std::string id = found.last.substr(prefix.size() + kLogPlaceBytes);
    auto letter = impl_->dead->get(id);
    if (!letter && letter.error().kind == ErrorKind::not_found) continue;
    if (!letter) {
      found.unread.push_back({std::move(id), std::move(letter).error()});
      continue;
    }
    bytes += letter->body.size();
    found.letters.push_back({std::move(id), *std::move(letter)});
  }
  if (!rows->status().ok()) return impl_->unread(rows->status());
  return found;
}

Result<std::uint64_t> DeliveryStore::count_wanted(std::string_view destination, std::uint64_t limit) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  std::uint64_t count = 0;
  const std::string prefix = wanted_prefix(destination);
  const std::unique_ptr<rocksdb::Iterator> rows(impl_->db->NewIterator({}, impl_->family(kWanted)));
  for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix) && count < limit; rows->Next()) ++count;
  if (!rows->status().ok()) return impl_->unread(rows->status());
  return count;
}

Result<std::vector<FirstDead>> DeliveryStore::dead_keys(std::string_view destination) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  return impl_->keys->firsts(destination);
}

Result<std::vector<std::string>> DeliveryStore::first_of(std::string_view destination, OrderKey key,
                                                         std::size_t limit) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  TRY_ASSIGN(const auto first, impl_->keys->first(destination, key, limit));
  std::vector<std::string> ids;
  for (const auto& entry : first) ids.emplace_back(entry.id());
  return ids;
}

Result<std::optional<dead::Listed>> DeliveryStore::first_blocker(std::string_view destination) const {
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  TRY_ASSIGN(const std::string id, impl_->keys->oldest_first(destination, kKeysLookedAt));
  if (id.empty()) return std::nullopt;
  auto letter = impl_->dead->get(id);
  if (!letter && letter.error().kind == ErrorKind::not_found) return std::nullopt;  // it went a moment ago
  if (!letter) return fail(std::move(letter).error());
  return dead::Listed{id, *std::move(letter)};
}

Result<DeliveryStore::Released> DeliveryStore::release(std::string_view destination, std::span<const OrderKey> keys) {
  TRY_ASSIGN(const auto held, impl_->hold_to_write());
  const std::unique_lock lock(impl_->letters_change);
  Released released;
  rocksdb::WriteBatch batch;
  // Each letter that has gone asks for its key, and many of them are of one.
  for (const OrderKey key : std::set(keys.begin(), keys.end())) TRY(impl_->release(batch, destination, key, released));
  if (batch.Count() > 0) TRY(impl_->write(batch, Sync::yes));
  return released;
}

// None or one. A letter of a version that did not store its offset may have left a second row, at another place.
Result<std::vector<DeadKeys::Entry>> DeliveryStore::Impl::first_letter(std::string_view destination, OrderKey key) {
  for (;;) {
    TRY_ASSIGN(auto next, keys->first_to_release(destination, key, 1));
    if (next.empty()) return next;
    const auto letter = dead->get(next.front().id());
    if (letter || letter.error().kind != ErrorKind::not_found) return next;
    rocksdb::WriteBatch batch;
    keys->remove(batch, destination, key, next.front());
    TRY(write(batch, Sync::no));
  }
}

Result<void> DeliveryStore::Impl::release(rocksdb::WriteBatch& batch, std::string_view destination, OrderKey key,
                                          Released& released) {
  TRY_ASSIGN(const auto next, first_letter(destination, key));
  if (next.empty()) released.free.push_back(key);
  if (next.empty() || !next.front().behind) return {};
  std::string found;
  const std::string prefix = wanted_prefix(destination);
  const auto status = db->Get({}, family(kWanted), prefix + next.front().place_and_id, &found);
  if (status.ok()) return {};  // so are those after it, or will be when it is gone
  if (!status.IsNotFound()) return unread(status);
  TRY_ASSIGN(const auto waiting, keys->first(destination, key, kReleasedAtOnce));
  for (const auto& entry : waiting) {
    if (!entry.behind) break;
    batch.Put(family(kWanted), prefix + entry.place_and_id, {});
  }
  released.wanted = true;
  return {};
}

Result<void> DeliveryStore::copy_to(const std::string& folder) const {
  TRY_ASSIGN(const std::string to, absolute_path(folder));
  TRY_ASSIGN(const auto held, impl_->trouble->hold());
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(impl_->db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(to);
  if (!status.ok()) return fail(database::error_of(fmt::format("copy {} to {}", impl_->folder, folder), status));
  return {};
}

dead::HeldDeadLetters DeliveryStore::dead_letters() const {
  auto held = impl_->trouble->hold();
  if (!held) return dead::HeldDeadLetters(std::move(held).error());
  return {*std::move(held), *impl_->dead};
}

}  // namespace penstock::delivery
