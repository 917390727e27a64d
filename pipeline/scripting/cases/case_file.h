#pragma once
// cases.yaml as it stands in an app's folder: read and checked, nothing run.

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/config/fields.h"

namespace penstock::scripting {

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

struct AppCase {
  std::string name;
  config::Node with;
  config::Node in;
  config::Node out;
  std::optional<CaseFacts> facts;
  std::string now = "2026-01-01T00:00:00Z";
  std::optional<std::vector<std::string>> log;

  config::Location at;      // of the case
  config::Location out_at;  // of the key `out`

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    return std::tuple{
        field("name", &AppCase::name, "What the case shows.", Need::required),
        field("with", &AppCase::with, "The app's settings."),
        field("in", &AppCase::in, "An event or a list of them.", Need::required),
        field("out", &AppCase::out, "What must come out.", Need::required),
        field("facts", &AppCase::facts, "Facts for a body that does not hold them."),
        field("now", &AppCase::now, "What app.now() says, as ISO 8601."),
        field("log", &AppCase::log, "Parts of the lines that the app must log, in this order; an empty list: none.")};
  }
  void check(config::StructReader& reader) const;
};

struct CaseFile {
  std::string path;  // "apps/mine/cases.yaml"
  std::string text;
  std::vector<AppCase> cases;
};

// Reads `<folder>/cases.yaml`. An error of kind invalid lists every problem, a line each.
Result<CaseFile> read_case_file(const std::string& folder);
// The same for a text in hand.
Result<std::vector<AppCase>> parse_cases(std::string_view text, const std::string& path);
// The same for tools that show every problem: notes them and gives the cases that have none.
std::vector<AppCase> parse_cases(std::string_view text, const std::string& path, config::Problems& problems);

// JSON texts of the events that `in:` or `out:` means. A scalar is JSON text itself, of one event or of a list.
Result<std::vector<std::string>> case_events(const config::Node& node);

// All problems, a line each.
std::string joined(const config::Problems& problems);

}  // namespace penstock::scripting
