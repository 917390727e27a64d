#pragma once
// Counts what one script does, from outside: the functions of its state are replaced by ones that count and call them. The
// code that runs events knows nothing of it, so it costs nothing where it is not used.

#include <cstdint>
#include <map>
#include <string>

#include "pipeline/scripting/transform/script.h"

namespace penstock::scripting {

struct ScriptCounts {
  std::uint64_t allocations = 0;  // new blocks for tables, strings, closures, and their growth
  std::uint64_t allocated_bytes = 0;
  std::uint64_t values_read = 0;  // fields of the event that were decoded: texts, numbers, true, null
  std::uint64_t parts_read = 0;   // objects and arrays of it that were looked into
  std::uint64_t missing_read = 0;
  std::uint64_t walks = 0;        // by pairs, next, ipairs over the event or a part
  std::uint64_t walked = 0;       // members they visited
  std::uint64_t assigned = 0;
  std::map<std::string, std::uint64_t> app_calls;  // by name; not what the script kept in a local while it was loaded
};

// Replaces the functions when made, and puts the allocator back when it goes. The script must outlive it.
class ScriptCounters {
 public:
  explicit ScriptCounters(Script& script);
  ~ScriptCounters();
  ScriptCounters(const ScriptCounters&) = delete;
  ScriptCounters& operator=(const ScriptCounters&) = delete;

  // An error of the state itself: no memory for the counting functions.
  Result<void> install();
  const ScriptCounts& counts() const { return counts_; }

 private:
  struct Functions;
  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size);
  void replace_metamethods(lua_State* state);
  void replace_app_functions(lua_State* state);

  Script& script_;
  ScriptCounts counts_;
  void* (*allocator_)(void*, void*, std::size_t, std::size_t) = nullptr;
  void* allocator_data_ = nullptr;
};

}  // namespace penstock::scripting
