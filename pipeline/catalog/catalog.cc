#include "pipeline/catalog/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>

#include "pipeline/catalog/sqlite.h"

namespace penstock::catalog {
namespace {

// Entry n brings a file of version n to version n + 1. Never changed once released; only added to.
constexpr std::array kMigrations{
    "CREATE TABLE pauses (destination TEXT PRIMARY KEY, note TEXT NOT NULL, since_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE rates (destination TEXT PRIMARY KEY, events INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " since_ms INTEGER NOT NULL) STRICT;",
    "CREATE TABLE started (destination TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT;",
};
// "pens": says whose file it is.
constexpr std::int64_t kApplicationId = 0x70656e73;

std::int64_t to_stored(std::uint64_t number) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(number, std::numeric_limits<std::int64_t>::max()));
}

Result<std::int64_t> pragma(Connection& connection, std::string_view name) {
  TRY_ASSIGN(auto asked, connection.prepare(fmt::format("PRAGMA {}", name)));
  TRY_ASSIGN(const bool row, asked.step());
  return row ? asked.number(0) : 0;
}

Result<std::vector<std::string>> started_by(Connection& connection) {
  TRY_ASSIGN(auto asked, connection.prepare("SELECT destination FROM started ORDER BY destination"));
  std::vector<std::string> found;
  while (true) {
    TRY_ASSIGN(const bool row, asked.step());
    if (!row) return found;
    found.push_back(asked.text(0));
  }
}

// An empty file is one that was made a moment ago, perhaps by a process that then died.
Result<void> bring_up_to_date(Connection& connection, const std::string& file) {
  TRY_ASSIGN(const std::int64_t application, pragma(connection, "application_id"));
  TRY_ASSIGN(const std::int64_t version, pragma(connection, "user_version"));
  if (application != kApplicationId && (application != 0 || version != 0)) {
    return fail(ErrorKind::corrupt, file + " is not a catalog of penstock; move it away");
  }
  constexpr auto kVersion = static_cast<std::int64_t>(kMigrations.size());
  if (version > kVersion) {
    return fail(ErrorKind::conflict, fmt::format("{} has version {}, but this program knows only up to version {}: it was "
                                                 "written by a newer one; run that, or give this one another data folder",
                                                 file, version, kVersion));
  }
  for (std::int64_t next = version; next < kVersion; ++next) {
    TRY(connection.execute(fmt::format("BEGIN; {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
                                       kMigrations[static_cast<std::size_t>(next)], kApplicationId, next + 1)));
  }
  return {};
}

}  // namespace

struct Catalog::Impl {
  Impl(Connection opened, const Clock& given) : clock(given), connection(std::move(opened)) {}

  const Clock& clock;
  std::mutex mutex;
  Connection connection;  // guarded by mutex
};

Result<std::unique_ptr<Catalog>> Catalog::open(const std::string& file, const Clock& clock) {
  TRY_ASSIGN(Connection connection, Connection::open(file));
  // What was answered must outlast a power cut, and orders are rare.
  TRY(connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
  TRY(bring_up_to_date(connection, file));
  return std::unique_ptr<Catalog>(new Catalog(std::make_unique<Impl>(std::move(connection), clock)));
}

Result<void> Catalog::verify(const std::string& file) {
  TRY_ASSIGN(Connection connection, Connection::open(file));
  TRY_ASSIGN(auto asked, connection.prepare("PRAGMA integrity_check(1)"));
  TRY_ASSIGN(const bool row, asked.step());
  if (row && asked.text(0) == "ok") return {};
  return fail(damaged(file, row ? asked.text(0) : "no answer"));
}

Result<std::vector<std::string>> Catalog::started_in(const std::string& file) {
  TRY_ASSIGN(Connection connection, Connection::open(file));
  TRY_ASSIGN(const std::int64_t version, pragma(connection, "user_version"));
  if (version < 2) return std::vector<std::string>{};  // it did not note them yet
  return started_by(connection);
}

Catalog::Catalog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Catalog::~Catalog() = default;

Result<std::vector<Pause>> Catalog::pauses() const {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto asked, impl_->connection.prepare("SELECT destination, note, since_ms FROM pauses ORDER BY destination"));
  std::vector<Pause> found;
  while (true) {
    TRY_ASSIGN(const bool row, asked.step());
    if (!row) return found;
    found.push_back({asked.text(0), asked.text(1), {asked.number(2)}});
  }
}

Result<void> Catalog::pause(std::string_view destination, std::string_view note) {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto order, impl_->connection.prepare("INSERT INTO pauses VALUES (?, ?, ?) "
                                                   "ON CONFLICT (destination) DO UPDATE SET note = excluded.note"));
  TRY(order.bind(destination).bind(note).bind(impl_->clock.now().ms).run());
  return {};
}

Result<bool> Catalog::resume(std::string_view destination) {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto order, impl_->connection.prepare("DELETE FROM pauses WHERE destination = ?"));
  TRY_ASSIGN(const int changed, order.bind(destination).run());
  return changed > 0;
}

Result<std::vector<Rate>> Catalog::rates() const {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto asked,
             impl_->connection.prepare("SELECT destination, events, bytes, since_ms FROM rates ORDER BY destination"));
  std::vector<Rate> found;
  while (true) {
    TRY_ASSIGN(const bool row, asked.step());
    if (!row) return found;
    found.push_back({asked.text(0),
                     static_cast<std::uint64_t>(asked.number(1)),
                     static_cast<std::uint64_t>(asked.number(2)),
                     {asked.number(3)}});
  }
}

Result<void> Catalog::set_rate(std::string_view destination, std::uint64_t events_per_second,
                               std::uint64_t bytes_per_second) {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto order, impl_->connection.prepare("INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)"));
  TRY(order.bind(destination)
          .bind(to_stored(events_per_second))
          .bind(to_stored(bytes_per_second))
          .bind(impl_->clock.now().ms)
          .run());
  return {};
}

Result<void> Catalog::copy_to(const std::string& file) const {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto copy, impl_->connection.prepare("VACUUM INTO ?"));
  if (const auto copied = copy.bind(file).run(); !copied)
    return fail(copied.error().context(fmt::format("copy the catalog to {}", file)));
  return {};
}

Result<bool> Catalog::reset_rate(std::string_view destination) {
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto order, impl_->connection.prepare("DELETE FROM rates WHERE destination = ?"));
  TRY_ASSIGN(const int changed, order.bind(destination).run());
  return changed > 0;
}

Result<std::vector<std::string>> Catalog::started() const {
  const std::lock_guard lock(impl_->mutex);
  return started_by(impl_->connection);
}

Result<void> Catalog::note_started(std::string_view destination) {
  TRY_ASSIGN(const auto known, started());
  if (std::ranges::binary_search(known, destination)) return {};
  const std::lock_guard lock(impl_->mutex);
  TRY_ASSIGN(auto order, impl_->connection.prepare("INSERT OR IGNORE INTO started VALUES (?, ?)"));
  TRY(order.bind(destination).bind(impl_->clock.now().ms).run());
  return {};
}

}  // namespace penstock::catalog
