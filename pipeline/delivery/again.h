#pragma once
// Dead letters on their way back to their destination: as many as are read at a time. On the destination's strand.

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/delivery/draft.h"

namespace penstock::delivery {

struct Again {
  // What became of one letter so far.
  struct Fate {
    std::size_t open = 0;  // events that the destination's apps made of it, of which nothing is known yet
    std::optional<DeadLetter> death;  // one of them died
    bool held_up = false;  // a letter of its key is before it and is not on its way
    bool discarded = false;  // by somebody, while it was here
  };

  explicit Again(std::vector<dead::Listed> wanted)
      : letters(std::make_shared<const std::vector<dead::Listed>>(std::move(wanted))), fates(letters->size()),
        open(letters->size()) {}

  std::shared_ptr<const std::vector<dead::Listed>> letters;
  std::vector<Fate> fates;  // of each letter
  std::size_t next = 0;  // the first of them that is not prepared yet
  std::size_t rehearsed = 0;  // those before it were run through apps that are on trial
  std::size_t open;  // those of which nothing durable is known yet
  Draft draft;
};

}  // namespace penstock::delivery
