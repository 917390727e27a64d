#pragma once
// What a plain condition (plain_condition.h) is made of, and its grammar, which is a part of Lua's. Internal to this folder.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::scripting {

struct PlainValue {
  enum class Type : std::uint8_t {
    unknown,  // Lua knows
    nil,
    boolean,
    integer,
    number,  // Lua's float
    text,
    null,  // JSON's, which is true within an expression
    part,  // an object or array of the event, or the event: true, and the rest is Lua's affair
  };
  Type type = Type::unknown;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  std::string_view text{};
};

enum class PlainFact : std::uint8_t { uuid, project, event, distinct_id, person_id, timestamp, received_at, source };

struct PlainTerm {
  enum class Kind : std::uint8_t {
    constant,
    fact,
    field,
    negation,  // of left
    conjunction,
    disjunction,
    equals,
    differs,
    less,
    at_most,
    greater,
    at_least,
  };
  Kind kind = Kind::constant;
  std::size_t left = 0;  // numbers of terms
  std::size_t right = 0;
  PlainValue value{};  // of a constant; a text is a view of the expression
  PlainFact fact = PlainFact::uuid;
  std::size_t path = 0;  // of a field, its number among the paths
  std::string scratch{};  // what its value may be a view of
};

struct PlainTerms {
  std::vector<PlainTerm> terms;  // each after what it is made of; the last is the whole
  std::vector<std::vector<std::string>> paths;  // different ones
};

// nullopt: it has something else in it. Texts in the result are views of `expression`.
std::optional<PlainTerms> parse_plain(std::string_view expression);

}  // namespace penstock::scripting
