// links: event simdjson::simdjson
// Any bytes as an event: they are refused, or everything that is later done with an event holds.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "pipeline/base/check.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/event/json_grammar.h"

namespace penstock {
namespace {

constexpr int kDepth = 128;

void check_against_other_judges(std::string_view text, bool accepted) {
  simdjson::dom::parser parser;
  CHECK(parser.allocate(text.size() + 64, kDepth) == simdjson::SUCCESS);
  const bool parsed = parser.parse(text.data(), text.size()).error() == simdjson::SUCCESS;
  const bool grammatical = !json::find_grammar_problem(text, kDepth);
  if (grammatical) CHECK(accepted);
  // Half surrogate pairs are repaired, and only they make up for what both others refuse.
  if (accepted && !grammatical) CHECK(text.find("\\u") != std::string_view::npos);
  if (parsed && !text.starts_with("\xEF\xBB\xBF")) CHECK(accepted);
}

void check_string(json::Validator& validator, std::string_view raw) {
  std::string scratch;
  const std::string text(json::unescape(raw, scratch));
  std::string again;
  json::append_string(again, text);
  CHECK(validator.validate_value(again).has_value());
  CHECK(json::unescape(again, scratch) == text);
}

void check_value(json::Validator& validator, std::string_view raw) {
  CHECK(validator.validate_value(raw) == raw);
  std::vector<std::string_view> elements;
  json::ObjectIndex nested;
  switch (json::kind_of(raw)) {
    case json::Kind::string: check_string(validator, raw); break;
    case json::Kind::object: CHECK(json::index_object(raw, nested).has_value()); break;
    case json::Kind::array: CHECK(json::index_array(raw, elements).has_value()); break;
    case json::Kind::number:
      if (const auto integer = json::to_int64(raw)) CHECK(json::to_double(raw) == static_cast<double>(*integer));
      break;
    default: break;
  }
  for (const auto element : elements) CHECK(validator.validate_value(element) == element);
}

bool same_members(const json::ObjectIndex& a, const json::ObjectIndex& b) {
  return std::ranges::equal(a.members(), b.members(), [](const json::Member& one, const json::Member& other) {
    return one.key == other.key && one.value == other.value && one.key_escaped == other.key_escaped;
  });
}

// What validation remembers of a text leads to the same members and elements as reading the text again.
void check_nested(const json::ObjectIndex& index, std::string_view raw, int levels) {
  json::ObjectIndex remembered;
  json::ObjectIndex read;
  std::vector<std::string_view> elements;
  std::vector<std::string_view> elements_read;
  if (levels == 0) return;
  if (json::kind_of(raw) == json::Kind::array) {
    CHECK(index.index_nested(raw, elements) && json::index_array(raw, elements_read));
    CHECK(std::ranges::equal(elements, elements_read));
    for (const auto element : elements) check_nested(index, element, levels - 1);
  } else if (json::kind_of(raw) == json::Kind::object) {
    CHECK(index.index_nested(raw, remembered) && json::index_object(raw, read));
    CHECK(same_members(remembered, read));
    for (const auto& member : read.members()) check_nested(index, member.value, levels - 1);
  }
}

// Written again from its members, the object is what it was but for white space.
void check_members(const json::ObjectIndex& index, json::Validator& validator, bool repeats) {
  std::string written = "{";
  for (const auto& member : index.members()) {
    CHECK(index.find(member.key) == &member || member.key_escaped);
    if (written.size() > 1) written += ',';
    const auto start = written.size();
    written.append("\"").append(member.key).append("\"");
    CHECK(validator.validate_value(written.substr(start)).has_value());
    written += ':';
    json::append_compact(written, member.value);
    check_value(validator, member.value);
  }
  written += '}';
  std::string compact;
  json::append_compact(compact, index.text());
  CHECK(repeats || written == compact);
}

void check_facts(const json::ObjectIndex& index) {
  const RecordPlace place{.source = "web", .partition = "0", .offset = 1};
  FactReader canonical({}, "shop");
  FactReader mapped({.event = "a.b", .distinct_id = "properties.a", .timestamp = "t", .uuid = "u"}, "shop");
  for (auto* reader : {&canonical, &mapped}) {
    const auto facts = reader->read(index, place, {1'763'700'000'000});
    if (facts) CHECK(!facts->event.empty() && partition_of(*facts, 16) < 16);
  }
}

void check(std::string_view text) {
  json::Validator validator({.depth_max = kDepth});
  json::Validator second({.depth_max = kDepth});
  check_against_other_judges(text, validator.validate_value(text).has_value());
  json::ObjectIndex index;
  const auto repairs = validator.validate(text, index);
  if (!repairs) return;
  CHECK(repairs->lone_surrogates > 0 || index.text().data() >= text.data());
  json::ObjectIndex again;
  CHECK(json::index_object(index.text(), again) && same_members(index, again));
  for (const auto& member : index.members()) check_nested(index, member.value, 4);
  check_members(index, second, repairs->duplicate_keys > 0);
  check_facts(index);
}

}  // namespace
}  // namespace penstock

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  penstock::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
