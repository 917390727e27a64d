#include "pipeline/config/schema.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "pipeline/config/reference.h"
#include "pipeline/config/sample_pipeline.h"

using namespace penstock::config;

namespace {

// The committed text; UPDATE=1 rewrites it.
void check_golden(const std::string& name, const std::string& actual) {
  const std::string path = "tests/golden/config/" + name;
  if (std::getenv("UPDATE") != nullptr) std::ofstream(path) << actual;
  std::ifstream in(path);
  std::stringstream expected;
  expected << in.rdbuf();
  CHECK(actual == expected.str());
}

struct Rule {
  std::string name;
  std::vector<Rule> rules;
  std::optional<int> limit;
  static constexpr auto fields() {
    return std::tuple{field("name", &Rule::name, "Its name.", Need::required),
                      field("rules", &Rule::rules, "Rules | within it."),
                      field("limit", &Rule::limit, "At most.", range(1, 9))};
  }
};

}  // namespace

TEST_CASE("the schema of a pipeline dispatches on the type of an entry") {
  const TypedList destinations{"destinations",
                               &struct_info<sample::DestinationCommon>(),
                               {{"file", "Writes events to a file.", &struct_info<sample::File>()},
                                {"webhook", "POSTs events.", &struct_info<sample::Webhook>()}}};
  check_golden("sample.schema.json", pipeline_schema(struct_info<sample::Pipeline>(), {destinations}, "Sample"));
}

TEST_CASE("a struct within itself becomes a reference") {
  const std::string schema = struct_schema(struct_info<Rule>(), "Rule");
  CHECK(schema.contains("\"items\": {\n        \"$ref\": \"#\"\n      }"));
}

TEST_CASE("the reference lists nested settings, types, ranges and defaults") {
  check_golden("sample.reference.txt", reference_text(struct_info<sample::Pipeline>()));
  check_golden("webhook.reference.md", reference_markdown(struct_info<sample::Webhook>()));
}

TEST_CASE("a reference ends where a struct would be within itself") {
  CHECK(reference_markdown(struct_info<Rule>()) ==
        "| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
        "| `name` | text | required | Its name. |\n"
        "| `rules` | list of map |  | Rules \\| within it. |\n"
        "| `limit` | integer from 1 to 9 |  | At most. |\n");
}
