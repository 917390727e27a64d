#include "pipeline/scripting/transform/plain_terms.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace penstock::scripting {
namespace {

using Kind = PlainTerm::Kind;
using Type = PlainValue::Type;

// Parentheses and `not` within each other; more is no condition that somebody wrote.
constexpr int kDepthMax = 50;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

constexpr std::array<std::pair<std::string_view, PlainFact>, 8> kFacts{{{"uuid", PlainFact::uuid},
                                                                        {"project", PlainFact::project},
                                                                        {"event", PlainFact::event},
                                                                        {"distinct_id", PlainFact::distinct_id},
                                                                        {"person_id", PlainFact::person_id},
                                                                        {"timestamp", PlainFact::timestamp},
                                                                        {"received_at", PlainFact::received_at},
                                                                        {"source", PlainFact::source}}};

constexpr std::array<std::pair<std::string_view, Kind>, 6> kComparisons{{{"==", Kind::equals},
                                                                         {"~=", Kind::differs},
                                                                         {"<=", Kind::at_most},
                                                                         {">=", Kind::at_least},
                                                                         {"<", Kind::less},
                                                                         {">", Kind::greater}}};

// Of an expression that Lua compiles, so whatever is not as expected here is something else that Lua has. Each function returns
// the number of its term, or nothing.
class Parser {
 public:
  using Number = std::optional<std::size_t>;

  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<PlainTerms> run() {
    const Number whole = disjunction();
    if (!whole || !at_end()) return std::nullopt;
    return std::move(terms_);
  }

 private:
  Number disjunction() {
    if (++depth_ > kDepthMax) return std::nullopt;
    Number left = conjunction();
    while (left && take_word("or")) left = join(Kind::disjunction, *left, conjunction());
    --depth_;
    return left;
  }

  Number conjunction() {
    Number left = comparison();
    while (left && take_word("and")) left = join(Kind::conjunction, *left, comparison());
    return left;
  }

  Number comparison() {
    Number left = negation();
    while (left) {
      const auto* found = std::ranges::find_if(kComparisons, [&](const auto& each) { return take(each.first); });
      if (found == kComparisons.end()) break;
      left = join(found->second, *left, negation());
    }
    return left;
  }

  Number negation() {
    if (!take_word("not")) return operand();
    if (++depth_ > kDepthMax) return std::nullopt;
    const Number of = negation();
    --depth_;
    if (!of) return std::nullopt;
    return add({.kind = Kind::negation, .left = *of});
  }

  Number operand() {
    if (take("(")) {
      const Number inner = disjunction();
      return inner && take(")") && !followed() ? inner : std::nullopt;
    }
    if (take_word("event")) return field();
    if (take_word("facts")) return fact();
    if (take_word("nil")) return constant({.type = Type::nil});
    if (take_word("true")) return constant({.type = Type::boolean, .boolean = true});
    if (take_word("false")) return constant({.type = Type::boolean, .boolean = false});
    if (const auto text = quoted()) return followed() ? Number() : constant({.type = Type::text, .text = *text});
    return number();
  }

  // A place for one more step of a field: `(event).x`, `("x"):len()`.
  bool followed() {
    skip_space();
    return at_ < text_.size() && std::string_view(".[:({\"'").contains(text_[at_]);
  }

  // Without a step the event itself, which is true and no more is asked of it here.
  Number field() {
    std::vector<std::string> path;
    if (!steps(path)) return std::nullopt;
    if (path.empty()) return constant({.type = Type::part});
    if (path.front() == "facts") return std::nullopt;  // a method, where the event has no such field
    auto& paths = terms_.paths;
    const auto known = std::ranges::find(paths, path);
    const auto number = static_cast<std::size_t>(known - paths.begin());
    if (known == paths.end()) paths.push_back(std::move(path));
    return add({.kind = Kind::field, .path = number});
  }

  Number fact() {
    std::vector<std::string> path;
    if (!steps(path) || path.size() > 1) return std::nullopt;
    if (path.empty()) return constant({.type = Type::part});
    const auto* found = std::ranges::find(kFacts, std::string_view(path.front()), &decltype(kFacts)::value_type::first);
    if (found == kFacts.end()) return constant({.type = Type::nil});
    return add({.kind = Kind::fact, .fact = found->second});
  }

  // Of `.name` and `["name"]` any number, and then nothing that asks more of the value.
  bool steps(std::vector<std::string>& path) {
    for (;;) {
      if (take(".")) {
        const std::string_view word = name();
        if (word.empty()) return false;
        path.emplace_back(word);
      } else if (take("[")) {
        const auto key = quoted();
        if (!key || !take("]")) return false;
        path.emplace_back(*key);
      } else {
        return !followed();
      }
    }
  }

  // A text without escapes, in single or double quotes.
  std::optional<std::string_view> quoted() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) return std::nullopt;
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find_first_of("\\\n\r") != std::string_view::npos) return std::nullopt;
    at_ = end + 1;
    return inside;
  }

  // 5, -5, 0.25: no exponents, and nothing that is an integer as it is written and a float by its size.
  Number number() {
    const bool negative = take("-");
    skip_space();
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.')) ++at_;
    const std::string_view digits = text_.substr(start, at_ - start);
    const auto point = digits.find('.');
    const auto all = [](std::string_view part) { return !part.empty() && std::ranges::all_of(part, is_digit); };
    if (point == std::string_view::npos) {
      std::int64_t integer = 0;
      if (!all(digits) || digits.size() > 18) return std::nullopt;
      std::from_chars(digits.data(), digits.data() + digits.size(), integer);
      return constant({.type = Type::integer, .integer = negative ? -integer : integer});
    }
    double number = 0;
    if (!all(digits.substr(0, point)) || !all(digits.substr(point + 1))) return std::nullopt;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) return std::nullopt;
    return constant({.type = Type::number, .number = negative ? -number : number});
  }

  std::string_view name() {
    skip_space();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  bool take_word(std::string_view word) {
    skip_space();
    const std::size_t start = at_;
    if (name() == word) return true;
    at_ = start;
    return false;
  }

  bool take(std::string_view symbol) {
    skip_space();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

  Number join(Kind kind, std::size_t left, Number right) {
    if (!right) return std::nullopt;
    return add({.kind = kind, .left = left, .right = *right});
  }
  Number constant(PlainValue value) { return add({.kind = Kind::constant, .value = value}); }
  Number add(PlainTerm term) {
    terms_.terms.push_back(std::move(term));
    return terms_.terms.size() - 1;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  PlainTerms terms_;
};

}  // namespace

std::optional<PlainTerms> parse_plain(std::string_view expression) { return Parser(expression).run(); }

}  // namespace penstock::scripting
