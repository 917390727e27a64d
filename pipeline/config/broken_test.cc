// A table of broken configurations and what each is answered: tests/golden/config/broken.cases. UPDATE=1 rewrites the
// answers; read the difference before you commit it.

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "pipeline/config/document.h"
#include "pipeline/config/sample_pipeline.h"

using namespace penstock;
using namespace penstock::config;

namespace {

constexpr const char* kFile = "tests/golden/config/broken.cases";

struct Case {
  std::string name;
  std::string yaml;
  std::string answer;
};

// "=== name", the YAML, "---------", the answer.
std::vector<Case> read_cases() {
  std::ifstream in(kFile);
  std::vector<Case> cases;
  std::string line;
  bool answer = false;
  while (std::getline(in, line)) {
    if (line.starts_with("=== ")) {
      cases.push_back({line.substr(4), "", ""});
      answer = false;
    } else if (line == "---------") {
      answer = true;
    } else if (!cases.empty()) {
      (answer ? cases.back().answer : cases.back().yaml) += line + "\n";
    }
  }
  return cases;
}

void write_cases(const std::vector<Case>& cases) {
  std::ofstream out(kFile);
  for (const Case& one : cases) out << "=== " << one.name << "\n" << one.yaml << "---------\n" << one.answer;
}

Lookup fake_lookup() {
  static const std::map<std::string, std::string> files{
      {"token.txt", "hunter2\n"},
      {"apps.yaml", "apps: [{use: one}]\nlog: {type: local}\n"},
      {"again.yaml", "include: case.yaml\n"},
      {"broken.yaml", "a: [1\n"},
      {"bad.yaml", "datas: ./x\n"},
      {"list.yaml", "- 1\n"},
  };
  Lookup lookup;
  lookup.env = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SECRET") return "hunter2";
    if (name == "EMPTY") return "";
    if (name == "YAML") return "{a: [hunter2";
    return std::nullopt;
  };
  lookup.read_file = [](const std::string& path, Bytes) -> Result<std::string> {
    if (const auto found = files.find(path); found != files.end()) return found->second;
    return fail(ErrorKind::not_found, "No such file or directory");
  };
  return lookup;
}

std::string answer_to(const std::string& yaml) {
  Document document = parse_document(yaml, "case.yaml", fake_lookup());
  if (document.readable) sample::read_pipeline(document.root, document.problems);
  sort_problems(document.problems);
  std::string answer;
  for (const Problem& problem : document.problems) answer += problem.to_string() + "\n";
  return answer;
}

}  // namespace

TEST_CASE("every broken configuration gets the answer in the table") {
  std::vector<Case> cases = read_cases();
  REQUIRE(cases.size() >= 50);
  for (Case& one : cases) {
    CAPTURE(one.name);
    const std::string answer = answer_to(one.yaml);
    CHECK_FALSE(answer.contains("hunter2"));
    if (std::getenv("UPDATE") != nullptr) one.answer = answer;
    else CHECK(answer == one.answer);
  }
  if (std::getenv("UPDATE") != nullptr) write_cases(cases);
}
