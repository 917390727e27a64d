#include "pipeline/scripting/cases/app_cases.h"

#include <filesystem>
#include <ostream>

#include <fmt/format.h>

#include "pipeline/config/fields.h"
#include "pipeline/config/lookup.h"
#include "pipeline/config/yaml_parser.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/cases/json_diff.h"
#include "pipeline/scripting/cases/yaml_json.h"
#include "pipeline/scripting/transform/chain.h"

namespace penstock::scripting {
namespace {

using config::Node;

constexpr Bytes kFileMax = 1_MiB;
constexpr Timestamp kNow{1'767'225'600'000};  // 2026-01-01T00:00:00Z

struct CaseFacts {
  std::string event;
  std::string distinct_id;
  std::string project;
  std::string source;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{field("event", &CaseFacts::event, "The event's name."),
                      field("distinct_id", &CaseFacts::distinct_id, "Whose event it is."),
                      field("project", &CaseFacts::project, "The project."),
                      field("source", &CaseFacts::source, "The source's name.")};
  }
};

struct Case {
  std::string name;
  Node with;
  Node in;
  Node out;
  std::optional<CaseFacts> facts;
  config::Location at;

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    return std::tuple{field("name", &Case::name, "What the case shows.", Need::required),
                      field("with", &Case::with, "The app's settings."),
                      field("in", &Case::in, "An event or a list of them.", Need::required),
                      field("out", &Case::out, "What must come out.", Need::required),
                      field("facts", &Case::facts, "Facts for a body that does not hold them.")};
  }
};

Error joined(const config::Problems& problems) {
  std::string text;
  for (const config::Problem& problem : problems) text += (text.empty() ? "" : "\n") + problem.to_string();
  return {ErrorKind::invalid, text};
}

Result<std::vector<Case>> read_cases(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "cases.yaml").lexically_normal().string();
  const auto text = config::process_lookup().read_file(path, kFileMax);
  if (!text) return fail(text.error().context(path));
  Node root;
  config::Problems problems;
  const bool parsed = config::parse_yaml(*text, std::make_shared<const std::string>(path), root, problems);
  if (parsed && problems.empty() && root.kind != Node::Kind::list)
    problems.push_back({root.at, "", "expected a list of cases"});
  if (!problems.empty()) return fail(joined(problems));
  std::vector<Case> cases;
  for (std::size_t i = 0; i < root.items.size(); ++i) {
    config::StructReader reader(root.items[i], config::element_path("cases", i, root.items[i]), problems);
    Case one;
    if (reader.read(one) && reader.finish()) cases.push_back(std::move(one));
    else reader.finish();
    if (!cases.empty()) cases.back().at = root.items[i].at;
  }
  if (!problems.empty()) return fail(joined(problems));
  return cases;
}

// JSON texts of the events that a node means: a scalar is JSON text itself, of one event or of a list.
Result<std::vector<std::string>> events_of(const Node& node) {
  std::vector<std::string> events;
  if (node.kind == Node::Kind::list) {
    for (const Node& item : node.items) {
      TRY_ASSIGN(auto inner, events_of(item));
      events.insert(events.end(), inner.begin(), inner.end());
    }
    return events;
  }
  std::string text = node.kind == Node::Kind::scalar ? node.text : "";
  if (node.kind != Node::Kind::scalar) append_json(node, text);
  json::Validator validator;
  TRY_ASSIGN(const auto value, validator.validate_value(text));
  if (json::kind_of(value) != json::Kind::array) return std::vector<std::string>{std::string(value)};
  std::vector<std::string_view> elements;
  TRY(json::index_array(value, elements));
  return std::vector<std::string>(elements.begin(), elements.end());
}

// What came out of all events of a case.
struct CaseOutput {
  std::vector<std::string> events;
  std::string failure;
  std::string traceback;
};

class CaseRunner {
 public:
  CaseRunner(const std::string& folder, const Case& one) : folder_(folder), case_(one) {}

  // Lines that say how the outcome differs; none when it is as expected.
  std::vector<std::string> run() {
    config::Problems problems;
    AppEntry entry;
    entry.folder = folder_;
    entry.settings = case_.with;
    entry.path = case_.name;
    entry.at = case_.at;
    const auto plan = plan_chain({entry}, problems);
    if (plan == nullptr) return {joined(problems).message};
    auto chain = Chain::make(plan, [](LogLevel, std::string_view, std::string_view) {});
    if (!chain) return {chain.error().message};
    (*chain)->begin_batch(kNow);
    const auto inputs = events_of(case_.in);
    if (!inputs) return {"in: " + inputs.error().message};
    for (const std::string& input : *inputs)
      if (auto wrong = pass(**chain, input); !wrong) return {"in: " + wrong.error().message};
    return compare();
  }

 private:
  Result<void> pass(Chain& chain, const std::string& body) {
    json::ObjectIndex index;
    TRY(validator_.validate(body, index));
    FactReader reader({}, case_.facts ? case_.facts->project : "test");
    const auto read = reader.read(index, {.source = "case", .partition = "0", .offset = offset_++}, kNow);
    Facts facts = read ? *read : Facts{};
    if (!read) facts.uuid = derived_uuid(RecordPlace{.source = "case", .partition = "0", .offset = offset_});
    if (!read) facts.timestamp = facts.received_at = kNow;
    if (case_.facts) {
      facts.event = case_.facts->event;
      facts.distinct_id = case_.facts->distinct_id;
      facts.source = case_.facts->source;
    }
    chain.run(index, facts, read && !case_.facts, out_);
    if (out_.kind == Transformed::Kind::failed && output_.failure.empty()) {
      output_.failure = out_.reason;
      output_.traceback = chain.traceback();
    }
    if (out_.kind == Transformed::Kind::kept)
      for (const EventView& event : out_.events) output_.events.emplace_back(event.body);
    return {};
  }

  std::vector<std::string> compare() const {
    const std::string word = case_.out.kind == Node::Kind::scalar ? case_.out.text : "";
    if (word.starts_with("error")) {
      const auto colon = word.find(": ");
      const std::string part = colon == std::string::npos ? "" : word.substr(colon + 2);
      if (output_.failure.empty()) return {fmt::format("expected {}, got {}", word, got())};
      if (output_.failure.contains(part)) return {};
      return {fmt::format("expected {}, got error: {}", word, output_.failure)};
    }
    if (!output_.failure.empty()) return {fmt::format("expected no error, got {}", output_.failure), output_.traceback};
    if (word == "drop") {
      if (output_.events.empty()) return {};
      return {fmt::format("expected drop, got {}", got())};
    }
    const auto expected = events_of(case_.out);
    if (!expected) return {"out: " + expected.error().message};
    if (expected->size() != output_.events.size())
      return {fmt::format("expected {} event(s), got {}", expected->size(), got())};
    return compare_events(*expected);
  }

  std::vector<std::string> compare_events(const std::vector<std::string>& expected) const {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < expected.size(); ++i)
      for (const std::string& line : differences(expected[i], output_.events[i]))
        lines.push_back(expected.size() == 1 ? line : fmt::format("event {}: {}", i + 1, line));
    return lines;
  }

  std::string got() const {
    if (!output_.failure.empty()) return "error: " + output_.failure;
    if (output_.events.empty()) return "drop";
    return fmt::format("{}", fmt::join(output_.events, " "));
  }

  const std::string& folder_;
  const Case& case_;
  json::Validator validator_;
  std::uint64_t offset_ = 0;
  Transformed out_;
  CaseOutput output_;
};

}  // namespace

Result<CaseCounts> run_cases(const std::string& folder, std::ostream& report) {
  TRY_ASSIGN(const auto cases, read_cases(folder));
  CaseCounts counts;
  for (const Case& one : cases) {
    const auto lines = CaseRunner(folder, one).run();
    ++(lines.empty() ? counts.passed : counts.failed);
    if (lines.empty()) continue;
    report << one.at.to_string() << ": " << one.name << '\n';
    for (const std::string& line : lines)
      if (!line.empty()) report << "    " << line << '\n';
  }
  return counts;
}

}  // namespace penstock::scripting
