#include "pipeline/scripting/library/atom_finder.h"

#include <deque>

namespace penstock::scripting {
namespace {

constexpr unsigned char lower(unsigned char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<unsigned char>(c - 'A' + 'a') : c;
}

}  // namespace

AtomFinder::AtomFinder(const std::vector<std::string>& atoms) : same_(atoms.size(), kNone) {
  for (const std::string& atom : atoms)
    for (const char c : atom)
      if (auto& known = class_of_[static_cast<unsigned char>(c)]; known == 0) known = static_cast<std::uint8_t>(classes_++);
  for (std::size_t c = 'A'; c <= 'Z'; ++c) class_of_[c] = class_of_[lower(static_cast<unsigned char>(c))];
  states_.emplace_back();
  next_.resize(classes_);
  for (std::uint32_t i = 0; i < atoms.size(); ++i) {
    std::uint32_t at = 0;
    for (const char c : atoms[i]) {
      const std::uint8_t byte_class = class_of_[static_cast<unsigned char>(c)];
      if (next(at, byte_class) == 0) {
        next(at, byte_class) = static_cast<std::uint32_t>(states_.size());
        states_.emplace_back();
        next_.resize(next_.size() + classes_);
      }
      at = next(at, byte_class);
    }
    same_[i] = states_[at].atom;
    states_[at].atom = i;
  }
  // Breadth first: the state to go on from when no longer string fits is known for all shorter ones.
  std::vector<std::uint32_t> suffix(states_.size());
  std::deque<std::uint32_t> queue{0};
  for (; !queue.empty(); queue.pop_front()) {
    const std::uint32_t at = queue.front();
    for (std::size_t byte_class = 1; byte_class < classes_; ++byte_class) {
      std::uint32_t& to = next(at, byte_class);
      const std::uint32_t fallback = at == 0 ? 0 : next(suffix[at], byte_class);
      if (to == 0) {
        to = fallback;
        continue;
      }
      suffix[to] = fallback;
      states_[to].shorter = states_[fallback].atom != kNone ? fallback : states_[fallback].shorter;
      queue.push_back(to);
    }
  }
}

void AtomFinder::find(std::string_view text, std::vector<int>& found, std::vector<bool>& seen) const {
  seen.assign(states_.size(), false);
  std::uint32_t at = 0;
  for (const char c : text) {
    at = next_[at * classes_ + class_of_[static_cast<unsigned char>(c)]];
    // What is up the chain of a state that was seen was seen with it.
    for (std::uint32_t state = states_[at].atom != kNone ? at : states_[at].shorter; state != 0 && !seen[state];
         state = states_[state].shorter) {
      seen[state] = true;
      for (std::uint32_t atom = states_[state].atom; atom != kNone; atom = same_[atom])
        found.push_back(static_cast<int>(atom));
    }
  }
}

}  // namespace penstock::scripting
