#pragma once
// The regular expressions of one Lua state: compiled once, however often a script asks for them. The least recently used
// goes when there are too many, so that their memory, which no Lua allocator counts, is bounded; whoever still holds it
// compiles it again. Belongs to the state's thread.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pipeline/base/result.h"
#include "pipeline/scripting/library/regex.h"

namespace penstock::scripting {

class RegexCache {
 public:
  static constexpr std::size_t kCountMax = 200;

  // Where an expression is, and which one: another that takes its place has another stamp.
  struct Handle {
    std::uint32_t slot = 0;
    std::uint64_t stamp = 0;
  };
  struct Found {
    const Regex* regex = nullptr;
    Handle handle;
    bool compiled = false;  // just now
  };

  // `key` is the flags, '/', the pattern. What it finds stays until the next call of this.
  Result<Found> get(std::string_view key);
  // nullptr when it had to go.
  const Regex* at(const Handle& handle);

 private:
  struct Slot {
    std::unique_ptr<Regex> regex;
    std::string key;
    std::uint64_t stamp = 0;
    std::uint64_t used = 0;
  };

  std::array<Slot, kCountMax> slots_;
  std::unordered_map<std::string_view, std::uint32_t> by_key_;  // views of the slots' keys
  std::uint64_t now_ = 0;
};

}  // namespace penstock::scripting
