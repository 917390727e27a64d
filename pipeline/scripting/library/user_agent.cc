#include "pipeline/scripting/library/user_agent.h"

#include <fmt/format.h>
#include <re2/filtered_re2.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "pipeline/base/check.h"
#include "pipeline/config/yaml_parser.h"
#include "pipeline/scripting/library/atom_finder.h"
#include "pipeline/scripting/library/device_type.h"
#include "pipeline/scripting/library/user_agent_rules.h"

namespace penstock::scripting {
namespace {

constexpr int kGroupsMax = 9;
constexpr int kAtomBytesMin = 3;
constexpr std::size_t kPartsMax = 5;
// Of each rule, for its program and for what matching remembers of it.
constexpr std::int64_t kMemoryMax = 128 << 10;

using Captures = std::array<re2::StringPiece, kGroupsMax + 1>;

// A list of the rules file: what its parts are called there, and which group stands for each by default; 0: none does.
struct ListKind {
  const char* name;
  std::array<const char*, kPartsMax> parts;
  std::array<int, kPartsMax> groups;
};
constexpr std::array<ListKind, 3> kLists{
    {{"user_agent_parsers",
      {"family_replacement", "v1_replacement", "v2_replacement", "v3_replacement", ""},
      {1, 2, 3, 4, 5}},
     {"os_parsers",
      {"os_replacement", "os_v1_replacement", "os_v2_replacement", "os_v3_replacement", "os_v4_replacement"},
      {1, 2, 3, 4, 5}},
     {"device_parsers", {"device_replacement", "brand_replacement", "model_replacement", "", ""}, {1, 0, 1, 0, 0}}}};

// The bounds of repetitions like .{0,200} are there for engines that backtrack. RE2 is linear without, and unrolls them into
// programs a hundred times as large: they go. The difference is seen only where more than that lies between two words.
std::string without_bounds(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size();) {
    const bool repeats = pattern.substr(i).starts_with("{0,") || pattern.substr(i).starts_with("{1,");
    const auto end = pattern.find('}', i);
    int bound = 0;
    if (repeats && end != std::string_view::npos) std::from_chars(pattern.data() + i + 3, pattern.data() + end, bound);
    if (bound < 50) {
      out += pattern[i++];
      continue;
    }
    out += pattern[i + 1] == '0' ? '*' : '+';
    i = end + 1;
  }
  return out;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// "$1 for $2" with the captures in it.
std::string expanded(std::string_view replacement, const Captures& captures) {
  std::string out;
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const char digit = replacement[i] == '$' && i + 1 < replacement.size() ? replacement[i + 1] : ' ';
    if (digit < '1' || digit > '9') {
      out += replacement[i];
      continue;
    }
    const re2::StringPiece& capture = captures[static_cast<std::size_t>(digit - '0')];
    out.append(capture.data() == nullptr ? "" : capture.data(), capture.size());
    ++i;
  }
  return trimmed(out);
}

// One list of rules, of which the first that matches counts.
class RuleList {
 public:
  RuleList(const ListKind& kind, const config::Node& rules, std::vector<std::string>& refused) : kind_(kind) {
    for (const config::Node& rule : rules.items) add(rule, refused);
  }

  void compile(std::vector<std::string>& atoms) { filter_.Compile(&atoms); }

  // The parts of the first rule that matches, or false.
  bool read(const re2::StringPiece& text, const std::vector<int>& atoms, std::array<std::string, kPartsMax>& parts) const {
    const int first = filter_.FirstMatch(text, atoms);
    if (first < 0) return false;
    const RE2& regex = filter_.GetRE2(first);
    Captures captures;
    const int groups = std::min(kGroupsMax, regex.NumberOfCapturingGroups());
    CHECK(regex.Match(text, 0, text.size(), RE2::UNANCHORED, captures.data(), groups + 1));
    const auto& replacements = replacements_[static_cast<std::size_t>(first)];
    for (std::size_t i = 0; i < kPartsMax; ++i) parts[i] = expanded(replacements[i], captures);
    if (parts[0] == "Other") parts[0].clear();  // how the rules say that they do not know
    return true;
  }

  std::size_t size() const { return replacements_.size(); }

 private:
  void add(const config::Node& rule, std::vector<std::string>& refused) {
    const config::Node* pattern = rule.find("regex");
    CHECK(pattern != nullptr);
    RE2::Options options;
    options.set_log_errors(false);
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_case_sensitive(rule.find("regex_flag") == nullptr);
    options.set_max_mem(kMemoryMax);
    int id = 0;
    if (filter_.Add(without_bounds(pattern->text), options, &id) != RE2::NoError) return refused.push_back(pattern->text);
    auto& replacements = replacements_.emplace_back();
    for (std::size_t i = 0; i < kPartsMax; ++i) {
      const config::Node* given = rule.find(kind_.parts[i]);
      if (given != nullptr) replacements[i] = given->text;
      else if (kind_.groups[i] != 0) replacements[i] = fmt::format("${}", kind_.groups[i]);
    }
  }

  const ListKind& kind_;
  re2::FilteredRE2 filter_{kAtomBytesMin};
  std::vector<std::array<std::string, kPartsMax>> replacements_;
};

// "10", "4", "", "" → "10.4": up to the first that is missing.
std::string version_of(const std::array<std::string, kPartsMax>& parts) {
  std::string version = parts[1];
  for (std::size_t i = 2; i < kPartsMax && !parts[i].empty() && !version.empty(); ++i) version += "." + parts[i];
  return version;
}

}  // namespace

struct UserAgentReader::Rules {
  Rules() {
    config::Node root;
    config::Problems problems;
    const auto file = std::make_shared<const std::string>("regexes.yaml");
    CHECK(config::parse_yaml(user_agent_rules(), file, root, problems) && problems.empty());
    for (std::size_t i = 0; i < kLists.size(); ++i) {
      const config::Node* rules = root.find(kLists[i].name);
      CHECK(rules != nullptr && rules->kind == config::Node::Kind::list);
      lists[i] = std::make_unique<RuleList>(kLists[i], *rules, refused);
      std::vector<std::string> atoms;
      lists[i]->compile(atoms);
      finders[i] = std::make_unique<AtomFinder>(atoms);
    }
  }

  bool read(std::size_t list, std::string_view text, std::array<std::string, kPartsMax>& parts) const {
    std::vector<int> atoms;
    thread_local std::vector<bool> seen;
    finders[list]->find(text, atoms, seen);
    return lists[list]->read({text.data(), text.size()}, atoms, parts);
  }

  std::array<std::unique_ptr<RuleList>, kLists.size()> lists;
  std::array<std::unique_ptr<AtomFinder>, kLists.size()> finders;
  std::vector<std::string> refused;
};

UserAgentReader::UserAgentReader() : rules_(std::make_unique<Rules>()) {}
UserAgentReader::~UserAgentReader() = default;

UserAgent UserAgentReader::read(std::string_view text) const {
  text = text.substr(0, kBytesMax);
  UserAgent agent;
  std::array<std::string, kPartsMax> parts;
  if (rules_->read(0, text, parts)) {
    agent.browser = parts[0];
    agent.browser_version = version_of(parts);
  }
  if (rules_->read(1, text, parts)) {
    agent.os = parts[0];
    agent.os_version = version_of(parts);
  }
  if (rules_->read(2, text, parts)) {
    agent.device = parts[0];
    agent.brand = parts[1];
    agent.model = parts[2];
  }
  agent.device_type = device_type(agent, text);
  return agent;
}

std::size_t UserAgentReader::rules() const {
  std::size_t count = rules_->refused.size();
  for (const auto& list : rules_->lists) count += list->size();
  return count;
}

const std::vector<std::string>& UserAgentReader::refused() const { return rules_->refused; }

}  // namespace penstock::scripting
