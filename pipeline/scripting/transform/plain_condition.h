#pragma once
// A `when:` that only compares fields of the event, facts and constants, as nearly all do:
//
//   event.properties.plan ~= "free" and (facts.event == "order" or event["total"] >= 100)
//
// decided without Lua, by Lua's rules to the letter. What it cannot decide so, be it an error, the order of two texts or a field
// of a text, it leaves to Lua, which also has the words for what is wrong; so nobody can tell the two apart but by the time.
// Calling Lua costs 0.15 µs, and Lua sees a body through an index of all its members.
//
// Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/event/facts.h"
#include "pipeline/event/field_finder.h"
#include "pipeline/scripting/transform/plain_terms.h"
#include "pipeline/scripting/view/document.h"

namespace penstock::scripting {

class PlainCondition {
 public:
  // `expression` is one that Lua compiles. nullopt: it has more in it than the above.
  static std::optional<PlainCondition> parse(std::string expression);

  enum class Verdict : std::uint8_t { no, yes, ask_lua };
  // `body` is a valid object, read only when a field of it is asked for.
  Verdict of(std::string_view body, const Facts& facts);
  // The same of a body that apps may have changed.
  Verdict of(Document& body, const Facts& facts);

 private:
  // By the number of the path.
  using ReadField = std::function<json::FieldFinder::Field(std::size_t)>;

  PlainCondition() = default;
  Verdict verdict(const Facts& facts, const ReadField& read);
  PlainValue value_of_term(std::size_t number, const Facts& facts, const ReadField& read);

  std::unique_ptr<const std::string> expression_;  // constants are views of it
  PlainTerms parts_;
  std::vector<std::size_t> numbers_;  // of the paths, for the finder
  json::FieldFinder finder_;
};

}  // namespace penstock::scripting
