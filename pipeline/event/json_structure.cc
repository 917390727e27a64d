#include "pipeline/event/json_structure.h"

#include <algorithm>
#include <array>

#include "pipeline/event/json_grammar.h"

namespace penstock::json {
namespace {

// What a character does to the depth. A table, because brackets come in no order that a branch could learn.
constexpr auto kDepth = [] {
  std::array<std::int8_t, 256> depth{};
  depth['{'] = depth['['] = 1;
  depth['}'] = depth[']'] = -1;
  return depth;
}();
int depth_of(char c) { return kDepth[static_cast<unsigned char>(c)]; }

class Walk {
 public:
  Walk(std::string_view text, Places places, std::size_t open) : text_(text), places_(places), at_(open + 1) {}

  bool ended() const { return at_ >= places_.size(); }
  char here() const { return ended() ? '\0' : text_[places_[at_]]; }
  void step() { ++at_; }

  // The value that begins here; afterwards the walk stands at what follows it. Empty when the places end before it does.
  std::string_view value() {
    const std::size_t start = places_[at_];
    int depth = depth_of(here());
    ++at_;
    if (depth == 0) return until_here(start);
    while (depth != 0) {
      if (ended()) return {};
      depth += depth_of(text_[places_[at_++]]);
    }
    return text_.substr(start, places_[at_ - 1] + 1 - start);
  }

 private:
  // Up to the present place, without the white space before it.
  std::string_view until_here(std::size_t start) const {
    if (ended()) return {};
    std::size_t end = places_[at_];
    while (end > start && is_space(text_[end - 1])) --end;
    return text_.substr(start, end - start);
  }

  std::string_view text_;
  Places places_;
  std::size_t at_;
};

}  // namespace

std::size_t place_number(Places places, std::size_t at) {
  const auto found = std::ranges::lower_bound(places, at);
  if (found == places.end() || *found != at) return places.size();
  return static_cast<std::size_t>(found - places.begin());
}

bool read_members(std::string_view text, Places places, std::size_t open, bool escapes, std::vector<Member>& members) {
  Walk walk(text, places, open);
  if (walk.here() == '}') return true;
  while (walk.here() == '"') {
    Member& member = members.emplace_back();
    const std::string_view quoted = walk.value();
    if (quoted.size() < 2 || walk.here() != ':') return false;
    member.key = quoted.substr(1, quoted.size() - 2);
    member.key_escaped = escapes && member.key.contains('\\');
    walk.step();
    if (walk.ended()) return false;
    member.value = walk.value();
    if (member.value.empty()) return false;
    if (walk.here() == '}') return true;
    if (walk.here() != ',') return false;
    walk.step();
  }
  return false;
}

bool read_elements(std::string_view text, Places places, std::size_t open, std::vector<std::string_view>& elements) {
  Walk walk(text, places, open);
  if (walk.here() == ']') return true;
  while (!walk.ended()) {
    elements.push_back(walk.value());
    if (elements.back().empty()) return false;
    if (walk.here() == ']') return true;
    if (walk.here() != ',') return false;
    walk.step();
  }
  return false;
}

}  // namespace penstock::json
