#include "pipeline/catalog/sqlite.h"

#include <fmt/format.h>

namespace penstock::catalog {
namespace {

// How long a statement waits for a reader from outside, such as somebody's `sqlite3 catalog.db`.
constexpr int kBusyWaitMs = 2000;

std::unexpected<Error> failed(const std::string& file, sqlite3* connection) {
  const int code = sqlite3_errcode(connection) & 0xff;
  if (code == SQLITE_FULL) {
    return fail(ErrorKind::unavailable,
                fmt::format("{}: {}; nothing was stored: make room, and try again", file, sqlite3_errmsg(connection)));
  }
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return fail(damaged(file, sqlite3_errmsg(connection)));
  return fail(ErrorKind::io, fmt::format("{}: {}", file, sqlite3_errmsg(connection)));
}

}  // namespace

Error damaged(const std::string& file, std::string_view how) {
  return {ErrorKind::corrupt,
          fmt::format(
              "the catalog {} is damaged ({}): it holds what people told the pipeline, pauses and rates, and which "
              "destinations had a cursor; restore it from a backup, or stop and move it and {}-wal away to start without "
              "them",
              file, how, file)};
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text64(statement_.get(), ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), ++bound_, number);
  return *this;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: return failed(file_, sqlite3_db_handle(statement_.get()));
  }
}

Result<int> Statement::run() {
  if (const auto done = step(); !done) {
    // What could not be synced may be in the file all the same.
    if (done.error().kind != ErrorKind::io) return fail(done.error());
    return fail(done.error().kind, done.error().message + "; whether it was stored is known after the next start");
  }
  return sqlite3_changes(sqlite3_db_handle(statement_.get()));
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

Result<Connection> Connection::open(const std::string& file) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (opened == nullptr) return fail(ErrorKind::io, fmt::format("{}: {}", file, sqlite3_errstr(code)));
  Connection connection(opened, file);
  if (code != SQLITE_OK) return failed(file, opened);
  sqlite3_busy_timeout(opened, kBusyWaitMs);
  return connection;
}

Result<void> Connection::execute(const std::string& sql) {
  if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failed(file_, connection_.get());
  }
  return {};
}

Result<Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK) {
    return failed(file_, connection_.get());
  }
  return Statement(statement, file_);
}

}  // namespace penstock::catalog
