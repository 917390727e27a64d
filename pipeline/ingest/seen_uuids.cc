#include "pipeline/ingest/seen_uuids.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <ranges>
#include <type_traits>

namespace penstock::ingest {
namespace {

constexpr std::size_t kParts = 16;
constexpr std::size_t kUuidsWorthParts = 1 << 16;

// Of this process; never zero in a way that a client could bring about.
struct Secret {
  std::uint64_t high = draw();
  std::uint64_t low = draw();

  static std::uint64_t draw() {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
  }
};

// Clients choose their uuids, so nobody outside may know which of them meet in one place: else a hundred thousand that do would
// stop ingest.
std::uint64_t mixed(const Uuid& uuid) {
  static const Secret secret;
  std::uint64_t high;
  std::uint64_t low;
  std::memcpy(&high, uuid.bytes.data(), 8);
  std::memcpy(&low, uuid.bytes.data() + 8, 8);
  const auto product = static_cast<unsigned __int128>(high ^ secret.high) * (low ^ secret.low);
  return (static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64)) * 0x9E3779B97F4A7C15ULL;
}

// An array of zeroes in pages that the system gives when they are first touched: where no uuid is ever claimed, a million of
// them cost neither memory nor time at start.
template <class T>
class Zeroed {
 public:
  explicit Zeroed(std::size_t size) : size_(size), items_(static_cast<T*>(std::calloc(size, sizeof(T)))) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (items_ == nullptr) throw std::bad_alloc();
  }
  T& operator[](std::size_t at) { return items_[at]; }
  const T& operator[](std::size_t at) const { return items_[at]; }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(T* items) const { std::free(items); }
  };
  std::size_t size_;
  std::unique_ptr<T[], Free> items_;
};

}  // namespace

// A ring in the order of claims, and a table of places in it. A claim is the number of its entry.
class SeenUuids::Part {
 public:
  Part(Duration window, std::size_t uuids_max)
      : window_(static_cast<std::uint32_t>(window.count() / 1000)), uuids_max_(uuids_max), ring_(std::bit_ceil(uuids_max)),
        slots_(2 * ring_.size()) {}

  bool contains(const Uuid& uuid) const {
    const std::lock_guard lock(mutex_);
    return find(uuid).has_value();
  }
  bool contains(const Uuid& uuid, Timestamp now) const {
    const std::lock_guard lock(mutex_);
    const auto slot = find(uuid);
    return slot && !is_too_old(entry_of(slots_[*slot]), seconds_of(now));
  }
  std::optional<Claim> claim(const Uuid& uuid, Timestamp now);
  void give_up(Claim number);
  // Without the lock: where the table is never changes.
  void expect(const Uuid& uuid) const { __builtin_prefetch(&slots_[home_of(uuid)], 1); }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }
  // Everything claimed since then is remembered.
  Timestamp forgot_before() const {
    const std::lock_guard lock(mutex_);
    return forgot_before_;
  }

 private:
  struct Entry {
    Uuid uuid;
    std::uint32_t seconds;  // after the epoch; 0: it was given up
  };
  static constexpr std::uint32_t kFree = 0;

  static std::uint32_t seconds_of(Timestamp time) {
    return std::max(std::uint32_t{1}, static_cast<std::uint32_t>(time.ms / 1000));
  }
  bool is_too_old(const Entry& entry, std::uint32_t now) const { return entry.seconds + window_ < now; }

  Entry& at(std::uint64_t number) { return ring_[number & (ring_.size() - 1)]; }
  std::size_t home_of(const Uuid& uuid) const { return static_cast<std::size_t>(mixed(uuid) >> 32) & (slots_.size() - 1); }
  Entry& entry_of(std::uint32_t slot) { return ring_[slot - 1]; }
  const Entry& entry_of(std::uint32_t slot) const { return ring_[slot - 1]; }
  std::optional<std::size_t> find(const Uuid& uuid) const;  // its slot
  void erase(std::size_t slot);
  void forget_oldest();

  const std::uint32_t window_;  // seconds
  const std::size_t uuids_max_;

  mutable std::mutex mutex_;
  // All guarded by mutex_.
  Zeroed<Entry> ring_;  // a power of two; entries oldest_ to newest_ - 1
  Zeroed<std::uint32_t> slots_;  // a power of two, at most half full; 1 + the place in the ring, or kFree
  std::uint64_t oldest_ = 0;
  std::uint64_t newest_ = 0;
  std::size_t size_ = 0;  // without those that were given up
  Timestamp forgot_before_;
};

std::optional<std::size_t> SeenUuids::Part::find(const Uuid& uuid) const {
  for (std::size_t slot = home_of(uuid);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot] == kFree) return std::nullopt;
    if (entry_of(slots_[slot]).uuid == uuid) return slot;
  }
}

std::optional<SeenUuids::Claim> SeenUuids::Part::claim(const Uuid& uuid, Timestamp now) {
  const auto seconds = seconds_of(now);
  const std::lock_guard lock(mutex_);
  while (oldest_ < newest_ && is_too_old(at(oldest_), seconds)) forget_oldest();
  if (find(uuid)) return std::nullopt;
  if (newest_ - oldest_ == uuids_max_) forget_oldest();
  at(newest_) = {uuid, seconds};
  std::size_t slot = home_of(uuid);
  while (slots_[slot] != kFree) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = static_cast<std::uint32_t>(newest_ & (ring_.size() - 1)) + 1;
  ++size_;
  return newest_++;
}

// Closes the gap, so that searches need no marks of what was there.
void SeenUuids::Part::erase(std::size_t slot) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = slot;
  for (std::size_t next = (hole + 1) & mask; slots_[next] != kFree; next = (next + 1) & mask) {
    const std::size_t home = home_of(entry_of(slots_[next]).uuid);
    if (((next - home) & mask) < ((next - hole) & mask)) continue;  // it would come before its home
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = kFree;
  --size_;
}

void SeenUuids::Part::forget_oldest() {
  const Entry& entry = at(oldest_++);
  if (entry.seconds == 0) return;
  forgot_before_ = {(std::int64_t{entry.seconds} + 1) * 1000};
  erase(find(entry.uuid).value());
}

void SeenUuids::Part::give_up(Claim number) {
  const std::lock_guard lock(mutex_);
  if (number < oldest_) return;
  erase(find(at(number).uuid).value());
  at(number).seconds = 0;
  // Its place is free again, unless somebody claimed after it.
  while (newest_ > oldest_ && at(newest_ - 1).seconds == 0) --newest_;
}

SeenUuids::SeenUuids(DedupSettings settings) : settings_(settings) {
  if (!enabled()) return;
  const std::size_t parts = settings_.uuids_max < kUuidsWorthParts ? 1 : kParts;
  for (std::size_t i = 0; i < parts; ++i)
    parts_.push_back(std::make_unique<Part>(settings_.window, settings_.uuids_max / parts));
}

SeenUuids::~SeenUuids() = default;

std::size_t SeenUuids::part_of(const Uuid& uuid) const {
  return static_cast<std::size_t>(mixed(uuid) >> 60) & (parts_.size() - 1);
}

bool SeenUuids::contains(const Uuid& uuid) const { return enabled() && parts_[part_of(uuid)]->contains(uuid); }

bool SeenUuids::contains(const Uuid& uuid, Timestamp now) const {
  return enabled() && parts_[part_of(uuid)]->contains(uuid, now);
}

std::optional<SeenUuids::Claim> SeenUuids::claim(const Uuid& uuid, Timestamp now) {
  if (!enabled()) return Claim{0};
  const std::size_t part = part_of(uuid);
  const auto number = parts_[part]->claim(uuid, now);
  if (!number) return std::nullopt;
  if (begun_ms_.load(std::memory_order_relaxed) == 0) {
    std::int64_t never = 0;
    begun_ms_.compare_exchange_strong(never, now.ms);
  }
  return *number * parts_.size() + part;
}

void SeenUuids::expect(const Uuid& uuid) const {
  if (enabled()) parts_[part_of(uuid)]->expect(uuid);
}

void SeenUuids::give_up(Claim claim) {
  if (enabled()) parts_[claim % parts_.size()]->give_up(claim / parts_.size());
}

void SeenUuids::missing_before(Timestamp time) { begun_ms_ = std::max<std::int64_t>(begun_ms_, time.ms); }

std::size_t SeenUuids::size() const {
  std::size_t sum = 0;
  for (const auto& part : parts_) sum += part->size();
  return sum;
}

Timestamp SeenUuids::covers_from() const {
  Timestamp from{begun_ms_};
  for (const auto& part : parts_) from = std::max(from, part->forgot_before());
  return from;
}

bool SeenUuids::has_forgotten() const {
  return std::ranges::any_of(parts_, [](const auto& part) { return part->forgot_before().ms > 0; });
}

bool UuidClaims::claim(const Uuid& uuid, Timestamp now) {
  if (before_ != nullptr && before_->contains(uuid, now)) return false;
  const auto claimed = seen_.claim(uuid, now);
  if (!claimed) return false;
  if (seen_.enabled()) batch_.push_back(*claimed);
  return true;
}

void UuidClaims::batch_appended() {
  in_flight_.clear();
  in_flight_.swap(batch_);
}

// Newest first, so that their places are free again.
void UuidClaims::give_up() {
  for (auto* claims : {&batch_, &in_flight_}) {
    for (const auto claim : std::views::reverse(*claims)) seen_.give_up(claim);
    claims->clear();
  }
}

// What was claimed here came after all that is in the other.
Timestamp UuidClaims::covers_from() const {
  const Timestamp before = before_ == nullptr || seen_.has_forgotten() ? Timestamp() : before_->covers_from();
  return before.ms > 0 ? before : seen_.covers_from();
}

}  // namespace penstock::ingest
