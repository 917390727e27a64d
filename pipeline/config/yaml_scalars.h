#pragma once
// From the characters of a YAML scalar to its text. Ours, because fy_token_get_text (libfyaml 0.7.12) cuts texts short, adds
// stray bytes and leaks (single quotes with more than a few '', double quotes over several lines, folded blocks), and needs
// minutes for a literal block of many empty lines. The library has checked the syntax before; so nothing here can fail, and
// malformed input gives some text.

#include <string>
#include <string_view>

namespace penstock::config {

// Without quotes, over any number of lines: a line break with the blanks around it is a space, n of them are n - 1 breaks.
std::string plain_text(std::string_view raw);

// What stands between single quotes; '' is one quote.
std::string single_quoted_text(std::string_view raw);

// What stands between double quotes, with escapes.
std::string double_quoted_text(std::string_view raw);

// A block, `style` being | (literal) or > (folded). `header` is the line that begins it, `rest` all that follows that line; the
// block ends where a line is indented less than its first one. An indentation number in the header has to be refused before.
std::string block_text(char style, std::string_view header, std::string_view rest);

// The header's marks after > or |, such as "-" or "2+".
std::string_view block_marks(std::string_view header, char style);

}  // namespace penstock::config
