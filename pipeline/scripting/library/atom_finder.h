#pragma once
// Which of many short strings occur in a text, in one pass over it (Aho-Corasick). Immutable and thread-safe once made.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::scripting {

class AtomFinder {
 public:
  // Atoms are in lower case and not empty; texts are read as if they were.
  explicit AtomFinder(const std::vector<std::string>& atoms);

  // Appends the index of every atom in the text, each once. `seen` is room to work in, the caller's to keep.
  void find(std::string_view text, std::vector<int>& found, std::vector<bool>& seen) const;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct State {
    std::uint32_t atom = kNone;   // that ends here
    std::uint32_t shorter = 0;    // the next state up the chain of suffixes where an atom ends; 0: none
  };

  std::uint32_t& next(std::uint32_t state, std::size_t byte_class) { return next_[state * classes_ + byte_class]; }

  std::array<std::uint8_t, 256> class_of_{};  // 0: bytes of no atom
  std::size_t classes_ = 1;
  std::vector<std::uint32_t> next_;
  std::vector<State> states_;
  std::vector<std::uint32_t> same_;  // the next atom that is equal to this one, or kNone
};

}  // namespace penstock::scripting
