#include "pipeline/base/json_string.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

namespace penstock {

TEST_CASE("whatever is in a text, it becomes a string of JSON") {
  const std::vector<std::pair<std::string_view, std::string_view>> texts{
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"a \"quote\" and a \\", R"("a \"quote\" and a \\")"},
      {"two\nlines\x1b\t", R"("two\nlines\u001b\u0009")"},
      {"\xC3\xA9\xF0\x9F\x98\x80\x7F", "\"\xC3\xA9\xF0\x9F\x98\x80\x7F\""},
      {"\xFFx", R"("\ufffdx")"},
      {"cut \xE2\x82", R"("cut \ufffd\ufffd")"},
      {"\xC0\x80", R"("\ufffd\ufffd")"},
      {"\xED\xA0\x80", R"("\ufffd\ufffd\ufffd")"}};
  for (const auto& [text, json] : texts) {
    std::string out;
    append_json_string(out, text);
    CHECK_EQ(out, json);
  }
}

}  // namespace penstock
