#pragma once
// How a dead letter of ingest goes on living when it is sent again. Its event goes into `captured` once more, and beside it, among
// the dead letters of that record, a mark. The worker that reads the event puts the mark into its commit, before whatever became
// of the event: who applies the commit takes the letter out. So the letter goes in the same moment in which the event is in
// `events`, was dropped, or is a letter anew; and a letter of the same id that was put by then stays.
//
// Where the letter is in the state of another share of the input than its event's, that share gets a mark of its own in the same record,
// and so does it for a letter that is to go without being sent.

#include <string_view>

#include "pipeline/event/dead_letter.h"

namespace penstock {

inline constexpr std::string_view kSentAgain = "sent_again";  // the code of a mark, and of no letter

inline constexpr std::string_view kTakenOut = "taken_out";  // of one that goes with no event

inline bool is_sent_again(const DeadLetter& letter) { return letter.code == kSentAgain; }
inline bool is_taken_out(const DeadLetter& letter) { return letter.code == kTakenOut; }
inline bool is_mark(const DeadLetter& letter) { return is_sent_again(letter) || is_taken_out(letter); }

// The mark of a letter: all that its id is made of, how often it was tried, and since when. `partition` is that of its event.
inline DeadLetter sent_again(const DeadLetter& letter, int partition) {
  DeadLetter mark;
  mark.code = kSentAgain;
  mark.uuid = letter.uuid;
  mark.stage = letter.stage;
  mark.app = letter.app;
  mark.source = letter.source;
  mark.place = letter.place;
  mark.partition = partition;
  mark.attempts = letter.attempts;
  mark.received_at = letter.received_at;
  mark.first_at = letter.first_at;
  mark.last_at = letter.last_at;
  return mark;
}

// `partition`: of the share that has the letter.
inline DeadLetter taken_out(const DeadLetter& letter, int partition) {
  DeadLetter mark = sent_again(letter, partition);
  mark.code = kTakenOut;
  return mark;
}

}  // namespace penstock
