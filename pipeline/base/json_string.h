#pragma once
// A text as a string of JSON, with its quotes. Bytes that are no UTF-8 become U+FFFD, for with them it would be no JSON.

#include <string>
#include <string_view>

namespace penstock {
void append_json_string(std::string& out, std::string_view text);
}
