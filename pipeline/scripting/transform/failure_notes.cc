#include "pipeline/scripting/transform/failure_notes.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::scripting {

void FailureNotes::add(std::string_view kind, const Uuid& event, std::string_view message) {
  auto note = std::ranges::find(notes_, kind, &Note::kind);
  if (note == notes_.end()) note = notes_.insert(note, Note{.kind = kind});
  if (note->count++ == 0) note->first = fmt::format("{}: {}", event.to_string(), message.substr(0, message.find('\n')));
  ++untold_;
}

std::vector<std::string> FailureNotes::tell(SteadyTime now) {
  std::vector<std::string> sentences;
  for (Note& note : notes_) {
    if (note.count == 0 || now < note.not_before) continue;
    sentences.push_back(fmt::format("failed on {} {}{} ({}); {}: {}", note.count, note.again ? "more " : "",
                                    note.count == 1 ? "event" : "events", note.kind, note.count == 1 ? "it" : "the first",
                                    note.first));
    untold_ -= note.count;
    note = {.kind = note.kind, .again = true, .not_before = now + kEvery};
  }
  return sentences;
}

}  // namespace penstock::scripting
