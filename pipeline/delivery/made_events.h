#pragma once
// Events that apps made for one batch, and what they were made of. Belongs to the draft and then, shared, to the shipments that
// became of it: addresses in it stay, and it is written by one strand only.

#include <cstring>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "pipeline/event/facts.h"

namespace penstock::delivery {

// An event of the log of which apps made others. Its memory is kept by the batch, too.
struct Origin {
  EventView event;
  bool only = false;  // one event was made of it
  bool dead = false;  // there is a dead letter of one of the others; all of them have the same
};

class MadeEvents {
 public:
  // The same for all that is made of one event after another.
  Origin& origin_of(const EventView& event) {
    const bool same = !origins_.empty() && origins_.back().event.body.data() == event.body.data();
    return same ? origins_.back() : origins_.emplace_back(Origin{event});
  }

  // A copy with a body and facts of its own.
  EventView keep(EventView made) {
    Facts& facts = made.facts;
    for (auto* text : {&made.body, &facts.project, &facts.event, &facts.distinct_id, &facts.person_id, &facts.source})
      *text = copy(*text);
    return made;
  }

 private:
  static constexpr std::size_t kBlockBytes = 64 << 10;

  // What does not fit into the block begun has one of its own, and the block goes on.
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    if (text.size() > kBlockBytes / 4) return {put(grow(text.size()), text), text.size()};
    if (text.size() > left_) {
      at_ = grow(kBlockBytes);
      left_ = kBlockBytes;
    }
    const std::string_view copied{put(at_, text), text.size()};
    at_ += text.size();
    left_ -= text.size();
    return copied;
  }
  char* grow(std::size_t bytes) { return blocks_.emplace_back(std::make_unique_for_overwrite<char[]>(bytes)).get(); }
  static char* put(char* to, std::string_view text) {
    std::memcpy(to, text.data(), text.size());
    return to;
  }

  std::deque<Origin> origins_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace penstock::delivery
