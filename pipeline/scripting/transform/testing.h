#pragma once
// For tests of this folder: an app from a string, an event through it, the answer as a line of text.

#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <string>

#include "pipeline/event/json.h"
#include "pipeline/scripting/transform/chain.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::scripting::testing {

// A folder of its own, gone afterwards.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-app-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  void write(const std::string& file, const std::string& text) const {
    const auto full = std::filesystem::path(path_) / file;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

 private:
  std::string path_;
};

struct TestApp {
  std::string name = "app";
  std::string lua{};
  std::string settings_yaml = "settings: {}";
  std::vector<std::string> events{};
  std::string when{};
  OnError on_error = OnError::dead_letter;
  SuspensionSettings suspend{};
  LimitSettings limits{};
  config::Node with{};
};

// A transform whose body is `lua`.
inline std::string transform(const std::string& lua) {
  return "local M = {}\nfunction M.transform(event, app)\n" + lua + "\nend\nreturn M\n";
}

inline Facts test_facts() {
  Facts facts;
  facts.uuid = *Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  facts.project = "shop";
  facts.event = "signup";
  facts.distinct_id = "u1";
  facts.source = "web";
  facts.timestamp = Timestamp{1'700'000'000'000};
  facts.received_at = Timestamp{1'700'000'001'000};
  return facts;
}

class TestChain {
 public:
  explicit TestChain(const std::vector<TestApp>& apps) {
    std::vector<AppEntry> entries;
    for (const TestApp& app : apps) {
      folder_.write(app.name + "/app.lua", app.lua);
      folder_.write(app.name + "/app.yaml",
                    "name: " + app.name + "\nversion: 1.0.0\nsummary: A test.\n" + app.settings_yaml + "\n");
      AppEntry entry;
      entry.use = entry.name = entry.path = app.name;
      entry.folder = folder_.path() + "/" + app.name;
      entry.events = app.events;
      entry.when = app.when;
      entry.on_error = app.on_error;
      entry.suspend = app.suspend;
      entry.limits = app.limits;
      entry.settings = app.with;
      entries.push_back(entry);
    }
    const auto plan = plan_chain(entries, problems);
    if (plan == nullptr) return;
    const auto log = [this](LogLevel, std::string_view app, std::string_view line) {
      logged += std::string(app) + ": " + std::string(line) + "\n";
    };
    chain = Chain::make(plan, log, clock).value();
    chain->begin_batch(Timestamp{1'700'000'002'000});
  }
  explicit TestChain(const TestApp& app) : TestChain(std::vector<TestApp>{app}) {}
  // One app whose transform has this body.
  explicit TestChain(const std::string& lua) : TestChain(std::vector<TestApp>{{.lua = transform(lua)}}) {}

  // "{…}" for each event kept, with a space between; "drop"; or "error: reason".
  std::string run(const std::string& body, bool canonical = false) {
    kept_body = body;
    const auto indexed = validator_.validate(kept_body, index_);
    if (!indexed) return "invalid: " + indexed.error().message;
    chain->run(index_, facts, canonical, out);
    switch (out.kind) {
      case Transformed::Kind::dropped: return "drop";
      case Transformed::Kind::failed: return "error: " + out.reason;
      case Transformed::Kind::kept: break;
    }
    std::string text;
    for (const EventView& event : out.events) text += (text.empty() ? "" : " ") + std::string(event.body);
    return text;
  }

  config::Problems problems;
  fakes::ManualClock clock;
  std::unique_ptr<Chain> chain;
  Facts facts = test_facts();
  Transformed out;
  std::string kept_body;
  std::string logged;

 private:
  TempFolder folder_;
  json::Validator validator_;
  json::ObjectIndex index_;
};

}  // namespace penstock::scripting::testing
