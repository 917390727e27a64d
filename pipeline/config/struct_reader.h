#pragma once
// Reads one map of the file into one or several structs, and knows which keys nobody asked for. A list entry that has common
// keys (name, type, events) and keys of its type is read in two steps, and only then are the others unknown:
//
//   StructReader reader(node, element_path("destinations", 1, node), problems);
//   Common common;
//   reader.read(common);                       // even if it failed: go on while the type is known, to show all problems
//   if (const auto* type = registry.destinations.find(common.type)) {
//     plan = type->read(reader);
//     reader.finish();
//   }
//
// Every problem is noted, none is thrown. Belongs to one thread; node and problems must outlive it.

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/node.h"
#include "pipeline/config/struct_info.h"

namespace penstock::config {

template <class T>
const StructInfo& struct_info();  // fields.h

class StructReader {
 public:
  StructReader(const Node& node, std::string path, Problems& problems);

  // Reads every field of T that the map has, keeps the initialisers of the others, and calls T's check() if all went well.
  // False when anything was wrong; `out` is then not to be used.
  template <class T>
  bool read(T& out) {
    return read_fields(struct_info<T>(), &out);
  }
  bool read_fields(const StructInfo& info, void* object);

  // A problem with the field named, at its value if the map has it, else at the map. An empty name means the map itself.
  void problem(std::string_view field, std::string message);
  // A problem with one entry of the map that the field is, at the entry's key.
  void problem_in(std::string_view field, std::string_view key, std::string message);

  // Someone else reads this key.
  void allow(std::string_view key);
  // Reports the keys that nobody read; call it once, last. True when no problem was noted by this reader.
  bool finish();

  const Node* find(std::string_view key) const { return node_.find(key); }
  const Node& node() const { return node_; }
  const std::string& path() const { return path_; }
  bool ok() const { return ok_; }

 private:
  const Node& node_;
  std::string path_;
  Problems& problems_;
  bool is_map_;
  bool ok_ = true;
  std::vector<std::string_view> known_;  // names of all fields asked for
};

// "destinations[1] (crm)": the name is the entry's `name` or `use`, when it has one that may be printed.
std::string element_path(std::string_view list, std::size_t index, const Node& element);

// "unknown destination type 'webhok', did you mean 'webhook'?", or the list of what is known when nothing is near.
std::string unknown_name(std::string_view what, std::string_view got, const std::vector<std::string_view>& known);

// The candidate that a typing mistake would make of `wrong`, or empty.
std::string_view closest(std::string_view wrong, const std::vector<std::string_view>& candidates);

}  // namespace penstock::config
