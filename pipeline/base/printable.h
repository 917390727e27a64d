#pragma once
// Text that others chose (senders, receivers, events) as it may meet a person: on a terminal and in a log that is read there. What
// would move the cursor, colour, turn the direction of writing or begin a new line is written as \n, \t, \x1b or \u202e instead, and
// so are bytes that are no UTF-8. Not meant to be read back: a backslash stays what it is. JSON escapes for itself.

#include <string>
#include <string_view>

namespace penstock {

// In one line.
std::string printable(std::string_view text);
// The same for a text of several lines: its line ends and tabs stay.
std::string printable_lines(std::string_view text);

}  // namespace penstock
