#pragma once
// Patterns that one state has used lately, compiled: a script uses the same few for every event. Bounded: 64 patterns of at
// most 128 bytes; others are compiled for each use.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/scripting/vm/pattern.h"

namespace penstock::scripting {

class PatternCache {
 private:
  struct Entry;

 public:
  static constexpr std::size_t kTextMax = 128;

  // One use of a pattern. While it lives the pattern stays, whatever else is asked for (string.gsub calls back).
  class Use {
   public:
    Use(PatternCache& cache, std::string_view text, bool anchors);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    const Pattern& operator*() const { return *pattern_; }
    const Pattern* operator->() const { return pattern_; }

   private:
    Entry* entry_ = nullptr;
    const Pattern* pattern_ = nullptr;
    std::optional<Pattern> own_;
  };

 private:
  struct Entry {
    std::string text;
    bool anchors = false;
    int uses = 0;
    Pattern pattern;
  };
  static constexpr std::size_t kEntries = 64;

  // Where a pattern's text lies says where to look for it: Lua keeps one copy of a short string. What is there is compared.
  static std::size_t place_of(const char* text, bool anchors);

  std::array<std::unique_ptr<Entry>, kEntries> entries_;
};

}  // namespace penstock::scripting
