#pragma once
// A configuration file as a tree that remembers where everything stood.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::config {

struct Location {
  std::shared_ptr<const std::string> file;
  int line = 0;    // from 1
  int column = 0;  // from 1, in characters

  std::string to_string() const;  // "penstock.yaml:14:5"; without line 0, which means the file as a whole
};

// One value. A scalar keeps its text; what type it has is decided by who reads it, so "1.0" stays "1.0". Substitution of
// ${env:…} and ${file:…} has happened; `secret` says that some came from there, and then the text is never printed.
struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  Location at;
  std::string text;     // scalar
  bool quoted = false;  // "5" is a string, 5 is a number
  bool secret = false;
  bool broken = false;  // a problem with this value is already noted: readers refuse it without another word
  std::vector<Node> items;      // list
  std::vector<Entry> entries;   // map, in document order, keys unique

  const Node* find(std::string_view key) const;
};

struct Node::Entry {
  std::string key;
  Location key_at;
  Node value;
};

// All that is wrong, in document order once sorted; each with place, path and what was expected.
struct Problem {
  Location at;
  std::string path;     // "destinations[1] (crm).in_flight_max"; empty for errors of YAML itself
  std::string message;  // "expected an integer from 1 to 1000, got \"many\""

  std::string to_string() const;  // "penstock.yaml:15:18: destinations[1] (crm).in_flight_max: expected …"
};
using Problems = std::vector<Problem>;

}  // namespace penstock::config
