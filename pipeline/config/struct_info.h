#pragma once
// What one `fields()` declaration says, as plain tables: the reader, the JSON Schema and the reference are all made from
// these, and none of them knows the C++ types. Built once per struct by `struct_info<T>()` in fields.h; read-only after
// that, so any thread may read them. Tables live as long as the process.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/node.h"

namespace penstock::config {

class StructReader;
struct FieldInfo;
struct StructInfo;
struct TypeInfo;

enum class Need : std::uint8_t { optional, required };

// Both ends belong to it. In the unit of the type: a count, bytes, milliseconds, or per second. Exact up to 2^53.
struct Range {
  double min = 0;
  double max = 0;
};

// The texts a string setting may have, where an enum would be too much.
struct OneOf {
  std::array<std::string_view, 12> values{};
  std::size_t count = 0;
};

// What follows the documentation in a `field(...)` line. For a list, range and choices hold for each element.
struct FieldOptions {
  Need need = Need::optional;
  std::optional<Range> range;
  OneOf one_of;

  constexpr void set(Need value) { need = value; }
  constexpr void set(Range value) { range = value; }
  constexpr void set(OneOf value) { one_of = value; }
};

enum class TypeKind : std::uint8_t {
  boolean,
  integer,
  number,
  text,
  bytes,
  duration,
  rate,
  secret,
  url,
  listen_address,
  choice,
  list,
  string_map,
  structure,
  any
};

struct TypeInfo {
  TypeKind kind = TypeKind::any;
  bool negative = true;                      // integer: whether it may be below 0
  std::vector<std::string> choices;          // choice: the names
  const TypeInfo* element = nullptr;         // list
  const StructInfo& (*structure)() = nullptr;  // structure; a function, so that a struct may hold a list of itself
};

// Where a value is being read: its path for messages, and what its line in fields() says.
struct Reading {
  std::string path;
  Problems& problems;
  const FieldOptions& options;

  // Notes a problem at the node; always false, so that a reader can say `return reading.problem(…)`.
  bool problem(const Node& at, std::string message) const;
};

struct FieldInfo {
  std::string_view name;
  std::string_view doc;
  FieldOptions options;
  const TypeInfo* type = nullptr;
  bool nullable = false;   // a std::optional: null means none
  Node initial;            // the default, as YAML would say it; null when there is none to show
  std::size_t offset = 0;  // of the member in its struct
  // Reads the node into the member; false when a problem was noted, and then the member is not to be used.
  bool (*read)(const Node&, const Reading&, void* member) = nullptr;
};

struct StructInfo {
  std::vector<FieldInfo> fields;
  void (*check)(const void* object, StructReader&) = nullptr;  // cross-field check, or null

  const FieldInfo* find(std::string_view name) const;
};

}  // namespace penstock::config
