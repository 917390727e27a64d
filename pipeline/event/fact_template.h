#pragma once
// A text with facts in it: "shop.{event}". For settings of destinations that name a place for each event.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"

namespace penstock {

// Immutable; any thread. {uuid}, {project}, {event}, {distinct_id} and {source} are facts; {{ and }} are the brackets.
class FactTemplate {
 public:
  // An error says what is wrong with the text and which facts there are.
  static Result<FactTemplate> parse(std::string_view text);

  // The same text for every event.
  bool constant() const;
  // A fact that the event does not have is empty.
  void append_to(std::string& out, const Facts& facts) const;
  std::string of(const Facts& facts) const;

 private:
  enum class Fact : std::uint8_t { none, uuid, project, event, distinct_id, source };
  struct Piece {
    std::string text;
    Fact then = Fact::none;  // what follows the text
  };
  static std::optional<Fact> fact_named(std::string_view name);

  std::vector<Piece> pieces_;
};

}  // namespace penstock
