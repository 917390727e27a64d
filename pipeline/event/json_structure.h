#pragma once
// Validation by the places of the structural characters, which simdjson's first stage finds together with checking UTF-8 and
// control characters, and walking over objects by the same places afterwards: what lies inside strings is not looked at again.
// simdjson's own second stage does more than is needed here: it converts every number and copies every string, and it refuses
// numbers that are too large for it. Internal to this folder.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/event/json.h"

namespace penstock::json {

// Where each bracket, brace, colon, comma and the first byte of each string, number and word stands, in order.
using Places = std::span<const std::uint32_t>;

// For the number of the place of each opening bracket or brace, the number of the place of its counterpart. The rest means nothing.
using Closes = std::span<const std::uint32_t>;

// Whether `text`, whose places simdjson's first stage gave without an error, is one array or object by the grammar of RFC 8259 with
// at most `depth_max` levels. `escapes`: there may be backslashes in the text; no surrogate escape may be alone. Sets `closes`,
// as long as `places`. `open` is scratch, kept to save allocations.
bool check_structure(std::string_view text, Places places, bool escapes, std::size_t depth_max,
                     std::vector<std::uint32_t>& closes, std::vector<std::uint32_t>& open);

// The number of the place `at` among them; places.size() when nothing structural stands there.
std::size_t place_number(Places places, std::size_t at);

// Appends the members of the object whose brace is place number `open`, of a text that passed check_structure. `escapes`: there
// may be backslashes in it.
void read_members(std::string_view text, Places places, Closes closes, std::size_t open, bool escapes,
                  std::vector<Member>& members);

// The same for the elements of an array.
void read_elements(std::string_view text, Places places, Closes closes, std::size_t open,
                   std::vector<std::string_view>& elements);

}  // namespace penstock::json
