#pragma once
// SQLite as values: a connection and a prepared statement that close themselves, and errors that name the file. Included by
// this folder's .cc files only. Not thread-safe; the owner locks.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "pipeline/base/result.h"

namespace penstock::catalog {

class Statement {
 public:
  // Binds from 1 on, in the order of the calls. Texts are copied.
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);

  // True: there is a row to look at. False: done.
  Result<bool> step();
  // Runs a statement without rows; how many rows it changed.
  Result<int> run();

  // Of the current row.
  std::string text(int column) const;
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Statement(sqlite3_stmt* statement, std::string file) : statement_(statement), file_(std::move(file)) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string file_;
  int bound_ = 0;
};

class Connection {
 public:
  static Result<Connection> open(const std::string& file);

  // One or several statements without rows, as one piece of text that is ours.
  Result<void> execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  };
  Connection(sqlite3* connection, std::string file) : connection_(connection), file_(std::move(file)) {}

  std::unique_ptr<sqlite3, Close> connection_;
  std::string file_;
};

// corrupt, with what is in the file and what goes on without it.
Error damaged(const std::string& file, std::string_view how);

}  // namespace penstock::catalog
