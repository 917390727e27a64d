#pragma once
// A 128-bit id as RFC 9562 writes it. Sixteen bytes in network order; compares like its text.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;
  bool is_nil() const { return *this == Uuid{}; }

  // Reads "019a…-…" in the 36-character form or 32 hex digits, any case. Anything else is nullopt.
  static std::optional<Uuid> parse(std::string_view text);

  // Version 5: SHA-1 of namespace and name. The same name always gives the same id: our source of determinism.
  static Uuid v5(const Uuid& name_space, std::string_view name);

  // Lower-case, 36 characters, no terminating zero.
  void format_to(char* out) const;
  std::string to_string() const;
};

}  // namespace penstock
