#pragma once
// Where in a YAML text the value of a key stands, byte by byte, so that it can be replaced and nothing else.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::scripting {

struct YamlExtent {
  enum class Style : std::uint8_t {
    nothing,  // the key has no value; `from` is where one would be put, after a space
    flow,     // braces, brackets, quotes or plain words
    literal,  // `|` or `>` and the lines below
    block,    // a map or list in lines below the key
  };
  Style style = Style::flow;
  std::size_t from = 0;
  std::size_t to = 0;
  std::size_t indent = 0;  // literal, block: of the value's lines
};

// The byte where a line and a column begin, both from 1, columns in characters.
std::size_t yaml_offset(std::string_view text, int line, int column);

// `key` is where the key begins, a plain word without quotes; `in_braces` says that it stands in a map of one line in braces. The text must be valid YAML.
YamlExtent yaml_value_extent(std::string_view text, std::size_t key, bool in_braces);

}  // namespace penstock::scripting
