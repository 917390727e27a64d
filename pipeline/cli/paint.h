#pragma once
// Colour for terminals; plain text everywhere else, and wherever NO_COLOR is set.

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace penstock::cli {

class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}
  // For what goes to standard output.
  static Paint for_output() { return Paint(isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr); }

  std::string removed(std::string_view text) const { return in("31", text); }
  std::string added(std::string_view text) const { return in("32", text); }
  std::string warning(std::string_view text) const { return in("33", text); }
  std::string strong(std::string_view text) const { return in("1", text); }
  std::string faint(std::string_view text) const { return in("2", text); }

 private:
  std::string in(std::string_view code, std::string_view text) const {
    return on_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }

  bool on_;
};

}  // namespace penstock::cli
