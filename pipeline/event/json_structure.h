#pragma once
// Walking over an object by the places of its structural characters, which simdjson found on the way to validating it: no
// byte between them is looked at again. Only for text that simdjson accepted. Internal to this folder.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/event/json.h"

namespace penstock::json {

// Where each bracket, brace, colon, comma and the first byte of each string, number and word stands, in order.
using Places = std::span<const std::uint32_t>;

// The number of the place `at` among them; places.size() when nothing structural stands there.
std::size_t place_number(Places places, std::size_t at);

// Appends the members of the object whose brace is place number `open`. `escapes`: there may be backslashes in the text.
// False when the places do not fit the text.
bool read_members(std::string_view text, Places places, std::size_t open, bool escapes, std::vector<Member>& members);

// The same for the elements of an array.
bool read_elements(std::string_view text, Places places, std::size_t open, std::vector<std::string_view>& elements);

}  // namespace penstock::json
