#include "pipeline/base/result.h"

#include <fmt/format.h>

#include <system_error>

namespace penstock {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::corrupt: return "corrupt";
    case ErrorKind::io: return "io";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::limit: return "limit";
    case ErrorKind::stopped: return "stopped";
  }
  return "unknown";
}

Error Error::context(std::string_view clause) && { return Error{kind, fmt::format("{}: {}", clause, message)}; }

Error Error::context(std::string_view clause) const& { return Error{*this}.context(clause); }

std::unexpected<Error> fail_errno(std::string_view what, int error_number) {
  return fail(ErrorKind::io, fmt::format("{}: {}", what, std::generic_category().message(error_number)));
}

}  // namespace penstock
