#pragma once
// One regular expression of RE2's syntax, compiled: time linear in the text whatever the pattern. Immutable and thread-safe.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

class Regex {
 public:
  static constexpr int kGroupsMax = 50;
  static constexpr std::size_t kPatternBytesMax = 8192;
  // For the compiled program and for what matching remembers of it. Most patterns stay below a tenth of it.
  static constexpr std::size_t kMemoryMax = 512 << 10;

  // Flags: any of i (case does not matter), m (^ and $ at every line), s (. matches line breaks), U (ungreedy). The error
  // says what RE2 does not like.
  static Result<std::unique_ptr<Regex>> compile(std::string_view pattern, std::string_view flags);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  std::size_t groups() const { return names_.size(); }
  // Of group 1 and so on; empty for one without.
  std::span<const std::string> names() const { return names_; }
  // Instructions of its program. In the worst case a byte of text costs as many steps.
  std::size_t size() const { return size_; }

  // Searches from the byte `from` on. `found` is 1 + groups() long, the whole match first; a group that took no part has a
  // null pointer. Nothing but yes or no when `found` is empty.
  bool find(std::string_view text, std::size_t from, std::span<std::string_view> found) const;

 private:
  struct Program;
  explicit Regex(std::unique_ptr<Program> program);

  std::unique_ptr<Program> program_;
  std::vector<std::string> names_;
  std::size_t size_ = 0;
};

}  // namespace penstock::scripting
