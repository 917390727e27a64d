#pragma once
// Where two JSON values differ.

#include <string>
#include <string_view>
#include <vector>

namespace penstock::scripting {

// One field. JSON texts; empty: nothing is there.
struct Difference {
  std::string path;  // "properties.tags[2]"; empty: the whole value
  std::string before;
  std::string after;
};

// Every field that differs, in the order of `before`, then what only `after` has. Texts are compared by meaning, numbers as
// they are written, objects without regard to order.
std::vector<Difference> differences(std::string_view before, std::string_view after);

// "properties.n: expected 1.0, got 1", cut to a line's length.
std::string as_expectation(const Difference& difference);

// JSON without white space, cut to about `bytes_max`.
std::string shown_json(std::string_view raw, std::size_t bytes_max);

}  // namespace penstock::scripting
