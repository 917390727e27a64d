// Reading user agents: against the cases that the rules come with, and the cache.

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "pipeline/config/yaml_parser.h"
#include "pipeline/scripting/library/atom_finder.h"
#include "pipeline/scripting/library/testing.h"
#include "pipeline/scripting/library/user_agent.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

const UserAgentReader& reader() {
  static const UserAgentReader made;
  return made;
}

// The file has more values than a configuration may: case by case.
std::vector<config::Node> cases_of(const std::string& name) {
  std::ifstream file("/usr/share/uap-core/tests/" + name);
  REQUIRE(file.is_open());
  std::vector<config::Node> cases;
  std::string text;
  const auto finish = [&] {
    config::Node root;
    config::Problems problems;
    if (!text.empty() && config::parse_yaml(text, std::make_shared<const std::string>(name), root, problems))
      cases.push_back(root.items.front());
    text.clear();
  };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("  - ")) finish();
    if (line.starts_with("  ") && !line.starts_with("  #")) text += line + "\n";
  }
  finish();
  return cases;
}

std::string field(const config::Node& test, const char* name) {
  const config::Node* node = test.find(name);
  return node == nullptr || node->text == "Other" ? "" : node->text;
}

struct Score {
  int right = 0;
  int all = 0;
  std::string to_string() const { return std::to_string(right) + " of " + std::to_string(all); }
};

template <class Same>
Score score(const std::string& file, Same&& same) {
  Score score;
  for (const config::Node& test : cases_of(file)) {
    ++score.all;
    const bool right = same(reader().read(field(test, "user_agent_string")), test);
    score.right += right ? 1 : 0;
  }
  return score;
}

}  // namespace

TEST_CASE("RE2 compiles the rules") {
  CHECK(reader().rules() > 1100);
  CHECK(reader().refused().empty());
}

TEST_CASE("the cases that the rules come with") {
  const Score browsers = score("test_ua.yaml", [](const UserAgent& agent, const config::Node& test) {
    const std::string version = field(test, "major");
    return agent.browser == field(test, "family") && agent.browser_version.starts_with(version);
  });
  const Score systems = score("test_os.yaml", [](const UserAgent& agent, const config::Node& test) {
    return agent.os == field(test, "family") && agent.os_version.starts_with(field(test, "major"));
  });
  const Score devices = score("test_device.yaml", [](const UserAgent& agent, const config::Node& test) {
    return agent.device == field(test, "family") && agent.brand == field(test, "brand") &&
           agent.model == field(test, "model");
  });
  MESSAGE("browsers: ", browsers.to_string(), ", systems: ", systems.to_string(), ", devices: ", devices.to_string());
  CHECK(browsers.all == 1425);
  CHECK(browsers.right == browsers.all);
  CHECK(systems.all == 456);
  CHECK(systems.right == systems.all);
  CHECK(devices.all == 16111);
  CHECK(devices.right >= devices.all - 1);  // one device's name runs on where a bound on repetition is not kept
}

TEST_CASE("kinds of devices, and what is no user agent") {
  const std::string webkit = " AppleWebKit/537.36 (KHTML, like Gecko) ";
  for (const auto& [text, gives] :
       Table{{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webkit + "Chrome/120.0.0.0 Safari/537.36",
              "Chrome 120.0.0.0, Windows 10, desktop"},
             {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" + webkit + "Version/17.1 Safari/605.1.15",
              "Safari 17.1, Mac OS X 10.15.7, desktop"},
             {"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
              "Firefox 120.0, Ubuntu , desktop"},
             {"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" + webkit + "Chrome/114.0.0.0 Safari/537.36",
              "Chrome 114.0.0.0, Chrome OS 14541.0.0, desktop"},
             {"Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X)" + webkit + "Version/16.5 Mobile/15E148 Safari/604.1",
              "Mobile Safari 16.5, iOS 16.5, tablet"},
             {"Mozilla/5.0 (Linux; Android 13; SM-S918B)" + webkit + "Chrome/119.0.0.0 Mobile Safari/537.36",
              "Chrome Mobile 119.0.0.0, Android 13, mobile"},
             {"Mozilla/5.0 (Linux; Android 13; SM-X900)" + webkit + "Chrome/119.0.0.0 Safari/537.36",
              "Chrome 119.0.0.0, Android 13, tablet"},
             {"Mozilla/5.0 (SMART-TV; LINUX; Tizen 5.5)" + webkit + "Version/5.5 TV Safari/537.36",
              "Safari 5.5, Tizen 5.5, tv"},
             {"Mozilla/5.0 (PlayStation 4 9.00)" + webkit + "Version/9.0 Safari/605.1.15", "Safari 9.0,  , console"},
             {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot 2.1,  , bot"},
             {"curl/7.88.1", "curl 7.88.1,  , "},
             {"", " ,  , "},
             {"nonsense \xff\x01", " ,  , "}}) {
    CAPTURE(text);
    const UserAgent agent = reader().read(text);
    CHECK(agent.browser + " " + agent.browser_version + ", " + agent.os + " " + agent.os_version + ", " +
              std::string(agent.device_type) ==
          gives);
  }
}

TEST_CASE("scripts get a table of what is known") {
  Surroundings lua;
  CHECK(lua.eval("app.user_agent('')") == "{}");
  CHECK(lua.eval("app.user_agent('curl/7.88.1')") == R"({"browser":"curl","browser_version":"7.88.1"})");
  CHECK(lua.eval("app.user_agent(('curl/7.88.1 '):rep(100000)).browser") == R"("curl")");
  CHECK(lua.run("while true do app.user_agent('curl/7.88.1') end").starts_with("error: "));
}

TEST_CASE("the cache answers as the reader does, however many there are and from several threads") {
  const auto ask = [](int from) {
    for (int i = from; i < from + 3000; ++i) {
      const std::string text = "curl/7." + std::to_string(i);
      if (cached_user_agent(text)->browser_version != "7." + std::to_string(i)) return false;
    }
    return true;
  };
  bool other = false;
  std::thread thread([&] { other = ask(1500); });
  const bool own = ask(0);
  thread.join();
  CHECK(own);
  CHECK(other);
  CHECK(cached_user_agent("curl/7.1")->browser_version == "7.1");
  CHECK(cached_user_agent("curl/7.1") == cached_user_agent("curl/7.1"));
}

TEST_CASE("the finder of atoms finds what a search for each finds") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto text = [&](std::size_t size, const char* letters, std::size_t count) {
    std::string made;
    for (std::size_t i = 0; i < size; ++i) made += letters[random() % count];
    return made;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> atoms;
    for (std::size_t i = 0; i < 1 + random() % 12; ++i) atoms.push_back(text(1 + random() % 4, "ab/", 3));
    const AtomFinder finder(atoms);
    const std::string subject = text(random() % 40, "aAbB/x", 6);
    std::string lower = subject;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::vector<int> expected, found;
    std::vector<bool> seen;
    for (std::size_t i = 0; i < atoms.size(); ++i)
      if (lower.find(atoms[i]) != std::string::npos) expected.push_back(static_cast<int>(i));
    finder.find(subject, found, seen);
    std::ranges::sort(found);
    CAPTURE(subject);
    CHECK(found == expected);
  }
}
