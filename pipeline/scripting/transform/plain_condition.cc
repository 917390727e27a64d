#include "pipeline/scripting/transform/plain_condition.h"

#include <utility>

#include "pipeline/event/json.h"
#include "pipeline/scripting/transform/plain_terms.h"
#include "pipeline/scripting/view/document.h"

namespace penstock::scripting {
namespace {

using Field = json::FieldFinder::Field;
using Place = json::FieldFinder::Place;
using Value = PlainValue;
using Type = PlainValue::Type;

// Up to here every integer is a float too.
constexpr std::int64_t kExact = std::int64_t{1} << 53;

bool is_number(const Value& value) { return value.type == Type::integer || value.type == Type::number; }

// -1, 0 or 1 for two numbers; nullopt where a float has no room for the integer.
std::optional<int> order(const Value& a, const Value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.type == Type::integer && b.type == Type::integer) return sign(a.integer, b.integer);
  const auto as_float = [](const Value& value) -> std::optional<double> {
    if (value.type == Type::number) return value.number;
    if (value.integer < -kExact || value.integer > kExact) return std::nullopt;
    return static_cast<double>(value.integer);
  };
  const auto x = as_float(a);
  const auto y = as_float(b);
  if (!x || !y) return std::nullopt;
  return sign(*x, *y);
}

Value boolean(bool is) { return {.type = Type::boolean, .boolean = is}; }

Value equal(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) {
    const auto ordered = order(a, b);
    return ordered ? boolean(*ordered == 0) : Value{};
  }
  if (a.type != b.type) return boolean(false);
  switch (a.type) {
    case Type::boolean: return boolean(a.boolean == b.boolean);
    case Type::text: return boolean(a.text == b.text);
    case Type::nil:
    case Type::null: return boolean(true);
    default: return {};
  }
}

Value compare(PlainTerm::Kind kind, const Value& a, const Value& b) {
  using enum PlainTerm::Kind;
  if (a.type == Type::unknown || b.type == Type::unknown) return {};
  if (kind == equals) return equal(a, b);
  if (kind == differs) {
    const Value same = equal(a, b);
    return same.type == Type::unknown ? same : boolean(!same.boolean);
  }
  if (!is_number(a) || !is_number(b)) return {};
  const auto ordered = order(a, b);
  if (!ordered) return {};
  switch (kind) {
    case less: return boolean(*ordered < 0);
    case at_most: return boolean(*ordered <= 0);
    case greater: return boolean(*ordered > 0);
    default: return boolean(*ordered >= 0);
  }
}

bool is_true(const Value& value) { return value.type != Type::nil && !(value.type == Type::boolean && !value.boolean); }

Value text(std::string_view text) { return {.type = text.empty() ? Type::nil : Type::text, .text = text}; }
Value time(Timestamp time) { return {.type = Type::integer, .integer = time.ms}; }

Value fact(PlainTerm& term, const Facts& facts) {
  switch (term.fact) {
    case PlainFact::uuid:
      term.scratch.resize(36);
      facts.uuid.format_to(term.scratch.data());
      return {.type = Type::text, .text = term.scratch};
    case PlainFact::project: return text(facts.project);
    case PlainFact::event: return text(facts.event);
    case PlainFact::distinct_id: return text(facts.distinct_id);
    case PlainFact::person_id: return text(facts.person_id);
    case PlainFact::source: return text(facts.source);
    case PlainFact::timestamp: return time(facts.timestamp);
    case PlainFact::received_at: return time(facts.received_at);
  }
  return {};
}

// As scripts see it, see Binding::push.
Value value_of(std::string_view raw, std::string& scratch) {
  switch (raw.front()) {
    case '"': return {.type = Type::text, .text = json::unescape(raw, scratch)};
    case '{':
    case '[': return {.type = Type::part};
    case 't': return boolean(true);
    case 'f': return boolean(false);
    case 'n': return {.type = Type::null};
    default: break;
  }
  if (const auto integer = json::to_int64(raw)) return {.type = Type::integer, .integer = *integer};
  if (const auto number = json::to_double(raw)) return {.type = Type::number, .number = *number};
  return {};
}

Value value_of(PlainTerm& term, const Field& field) {
  switch (field.place) {
    case Place::nowhere: return {};
    case Place::absent: return {.type = Type::nil};
    case Place::present: return value_of(field.raw, term.scratch);
  }
  return {};
}

Field field_in(Document& body, const std::vector<std::string>& path) {
  NodeId node = Document::kRoot;
  for (std::size_t i = 0;; ++i) {
    if (!body.look_into(node) || body.is_array(node)) return {};
    const std::size_t at = body.find(node, path[i]);
    const bool last = i + 1 == path.size();
    if (at == Document::kNowhere || body.entries(node)[at].removed) return {last ? Place::absent : Place::nowhere, {}};
    const std::string_view raw = body.entries(node)[at].raw;
    if (last) return {Place::present, raw};
    if (raw.front() != '{' || (node = body.child(node, at)) == Document::kNone) return {};
  }
}

}  // namespace

std::optional<PlainCondition> PlainCondition::parse(std::string expression) {
  PlainCondition condition;
  condition.expression_ = std::make_unique<const std::string>(std::move(expression));
  auto parts = parse_plain(*condition.expression_);
  if (!parts) return std::nullopt;
  condition.parts_ = *std::move(parts);
  for (const auto& path : condition.parts_.paths) condition.numbers_.push_back(condition.finder_.want(path));
  return condition;
}

PlainCondition::Verdict PlainCondition::of(std::string_view body, const Facts& facts) {
  bool found = false;
  bool damaged = false;
  return verdict(facts, [&](std::size_t path) {
    if (!std::exchange(found, true)) damaged = !finder_.find(body);
    return damaged ? Field{} : finder_.field(numbers_[path]);
  });
}

PlainCondition::Verdict PlainCondition::of(Document& body, const Facts& facts) {
  return verdict(facts, [&](std::size_t path) { return field_in(body, parts_.paths[path]); });
}

PlainCondition::Verdict PlainCondition::verdict(const Facts& facts, const ReadField& read) {
  const Value value = value_of_term(parts_.terms.size() - 1, facts, read);
  if (value.type == Type::unknown) return Verdict::ask_lua;
  // A JSON null is no more true than a missing value, when it is the answer.
  return is_true(value) && value.type != Type::null ? Verdict::yes : Verdict::no;
}

PlainValue PlainCondition::value_of_term(std::size_t number, const Facts& facts, const ReadField& read) {
  PlainTerm& term = parts_.terms[number];
  switch (term.kind) {
    case PlainTerm::Kind::constant: return term.value;
    case PlainTerm::Kind::fact: return fact(term, facts);
    case PlainTerm::Kind::field: return value_of(term, read(term.path));
    default: break;
  }
  const Value left = value_of_term(term.left, facts, read);
  if (left.type == Type::unknown) return left;
  switch (term.kind) {
    case PlainTerm::Kind::negation: return boolean(!is_true(left));
    case PlainTerm::Kind::conjunction: return is_true(left) ? value_of_term(term.right, facts, read) : left;
    case PlainTerm::Kind::disjunction: return is_true(left) ? left : value_of_term(term.right, facts, read);
    default: return compare(term.kind, left, value_of_term(term.right, facts, read));
  }
}

}  // namespace penstock::scripting
