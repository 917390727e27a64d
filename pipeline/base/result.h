#pragma once
// How anything in Penstock fails: a value, never an exception across a folder's border.
//
// `Result<T>` is either a T or an Error; each layer that passes an error on adds one clause with `context`, so that the
// message read from left to right goes from what the user asked for to what the system said:
//   "destination crm: open ./out.ndjson: Permission denied".

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace penstock {

// What a caller may do about an error. Anything finer belongs in the message.
enum class ErrorKind : std::uint8_t {
  invalid,      // the input is wrong; the same input will always fail
  not_found,    // the thing named does not exist
  conflict,     // someone else holds it: a lock, a port, a newer version
  corrupt,      // stored bytes fail their checksum or decode to nonsense
  io,           // the system refused: disk, permission, file limits
  unavailable,  // a peer is not there now and may be later
  limit,        // a declared bound was reached
  stopped,      // we are shutting down
};

std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::invalid;
  std::string message;

  // The same error, told by an outer layer: "<clause>: <message>".
  [[nodiscard]] Error context(std::string_view clause) &&;
  [[nodiscard]] Error context(std::string_view clause) const&;
};

template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message)});
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

// An error of kind io from `errno` (or the value given): "<what>: <strerror>".
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what, int error_number);

}  // namespace penstock

// TRY(expression): leaves the enclosing function with the error, or goes on.
// TRY_ASSIGN(declaration, expression): the same, and keeps the value.
#define PENSTOCK_JOIN2(a, b) a##b
#define PENSTOCK_JOIN(a, b) PENSTOCK_JOIN2(a, b)
#define TRY(expression)                                                  \
  do {                                                                   \
    if (auto penstock_tried = (expression); !penstock_tried.has_value()) \
      return std::unexpected(std::move(penstock_tried).error());         \
  } while (false)
#define TRY_ASSIGN_AS(declaration, expression, name)                      \
  auto name = (expression);                                               \
  if (!name.has_value()) return std::unexpected(std::move(name).error()); \
  declaration = *std::move(name)
#define TRY_ASSIGN(declaration, expression) TRY_ASSIGN_AS(declaration, expression, PENSTOCK_JOIN(penstock_tried_, __LINE__))
