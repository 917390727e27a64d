#include "pipeline/config/document.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/substitution.h"
#include "pipeline/config/yaml_parser.h"

namespace penstock::config {
namespace {

constexpr Bytes kFileMax = 1_MiB;
constexpr std::size_t kIncludeDepthMax = 8;
constexpr std::size_t kFilesMax = 64;

bool same_shape(const Node& a, const Node& b) { return a.kind == b.kind && a.kind != Node::Kind::scalar; }

class Loader {
 public:
  Loader(const Lookup& lookup, Document& document)
      : lookup_(lookup), document_(document), substitution_(lookup, document.problems, substituted_) {}

  void run(std::string_view text, const std::string& name) {
    document_.readable = load(text, name, document_.root);
    document_.files = std::move(loaded_);
    document_.files.insert(document_.files.end(), substituted_.begin(), substituted_.end());
  }

 private:
  // Parses one file and merges what it includes. False when it, or a file below it, cannot be read further.
  bool load(std::string_view text, const std::string& name, Node& root) {
    loaded_.push_back(name);
    stack_.push_back(name);
    const auto file = std::make_shared<const std::string>(name);
    const std::string folder = std::filesystem::path(name).parent_path().string();
    bool ok = size_allowed(text, file) && parse_yaml(text, file, root, document_.problems) && is_map(root);
    if (ok) {
      substitution_.apply(root, folder);
      ok = include(root, folder);
    }
    stack_.pop_back();
    return ok;
  }

  bool size_allowed(std::string_view text, const std::shared_ptr<const std::string>& file) {
    if (text.size() <= kFileMax.count) return true;
    note({file, 0, 0}, "", fmt::format("the file is larger than {}", to_string(kFileMax)));
    return false;
  }

  bool is_map(const Node& root) {
    if (root.kind == Node::Kind::map) return true;
    if (root.broken) return false;
    note(root.at, "",
         root.kind == Node::Kind::null ? "the file holds no settings"
                                       : fmt::format("expected settings such as 'data: ./data', got {}", describe(root)));
    return false;
  }

  bool include(Node& root, const std::string& folder) {
    const auto entry = std::ranges::find(root.entries, "include", &Node::Entry::key);
    if (entry == root.entries.end()) return true;
    const Node wanted = std::move(entry->value);
    root.entries.erase(entry);
    Node merged;
    merged.kind = Node::Kind::map;
    merged.at = root.at;
    bool ok = true;
    if (wanted.kind == Node::Kind::list) {
      for (const Node& item : wanted.items) ok = include_one(item, folder, merged) && ok;
    } else {
      ok = include_one(wanted, folder, merged);
    }
    merge(merged, std::move(root), "");
    root = std::move(merged);
    return ok;
  }

  bool include_one(const Node& wanted, const std::string& folder, Node& into) {
    if (wanted.broken) return false;
    if (wanted.kind != Node::Kind::scalar || wanted.text.empty())
      return refuse(wanted, fmt::format("expected the path of a file, got {}", describe(wanted)));
    if (wanted.secret) return refuse(wanted, "a path to include is written out, without ${…}");
    const std::string path = path_from(folder, wanted.text);
    if (std::ranges::find(stack_, path) != stack_.end())
      return refuse(wanted, fmt::format("{} includes itself: {} → {}", printable(path), fmt::join(stack_, " → "), path));
    if (std::ranges::find(loaded_, path) != loaded_.end())
      return refuse(wanted, fmt::format("{} is already included", printable(path)));
    if (stack_.size() >= kIncludeDepthMax)
      return refuse(wanted, fmt::format("files include each other more than {} deep", kIncludeDepthMax));
    if (loaded_.size() >= kFilesMax)
      return refuse(wanted, fmt::format("more than {} files in one configuration", kFilesMax));
    const auto text = lookup_.read_file(path, kFileMax);
    if (!text) return refuse(wanted, fmt::format("cannot include {}: {}", printable(path), text.error().message));
    Node included;
    if (!load(*text, path, included)) return false;
    merge(into, std::move(included), "");
    return true;
  }

  // `from` was written later than `into`.
  void merge(Node& into, Node from, const std::string& path) {
    for (Node::Entry& entry : from.entries) {
      const auto known = std::ranges::find(into.entries, entry.key, &Node::Entry::key);
      if (known == into.entries.end()) {
        into.entries.push_back(std::move(entry));
        continue;
      }
      const std::string inner = path.empty() ? entry.key : fmt::format("{}.{}", path, entry.key);
      merge_value(*known, std::move(entry), inner);
    }
  }

  void merge_value(Node::Entry& known, Node::Entry entry, const std::string& path) {
    if (known.value.kind == Node::Kind::null && !known.value.broken) {
      known = std::move(entry);
    } else if (entry.value.kind == Node::Kind::null && !entry.value.broken) {
      return;
    } else if (!same_shape(known.value, entry.value)) {
      note(entry.key_at, printable(path), fmt::format("set twice: also at {}", known.key_at.to_string()));
    } else if (known.value.kind == Node::Kind::map) {
      merge(known.value, std::move(entry.value), path);
    } else {
      for (Node& item : entry.value.items) known.value.items.push_back(std::move(item));
    }
  }

  void note(const Location& at, std::string path, std::string message) {
    document_.problems.push_back({at, std::move(path), std::move(message)});
  }
  bool refuse(const Node& node, std::string message) {
    note(node.at, "include", std::move(message));
    return false;
  }

  const Lookup& lookup_;
  Document& document_;
  std::vector<std::string> loaded_;       // YAML files, in order
  std::vector<std::string> stack_;        // from the document down to the file being loaded
  std::vector<std::string> substituted_;  // files read by ${file:…}
  Substitution substitution_;
};

}  // namespace

Document parse_document(std::string_view text, const std::string& name, const Lookup& lookup) {
  Document document;
  Loader(lookup, document).run(text, std::filesystem::path(name).lexically_normal().string());
  return document;
}

Document load_document(const std::string& path, const Lookup& lookup) {
  const auto text = lookup.read_file(path, kFileMax);
  if (text) return parse_document(*text, path, lookup);
  Document document;
  document.problems.push_back({{std::make_shared<const std::string>(path), 0, 0},
                               "",
                               fmt::format("cannot read this file: {}", text.error().message)});
  return document;
}

void sort_problems(Problems& problems) {
  using Place = std::tuple<std::size_t, int, int, std::size_t>;  // file, line, column, order of arrival
  std::map<std::string, std::size_t> files;
  std::vector<std::pair<Place, Problem>> placed;
  for (Problem& problem : problems) {
    const auto file = files.emplace(problem.at.file ? *problem.at.file : "", files.size()).first->second;
    const Place place{file, problem.at.line, problem.at.column, placed.size()};
    placed.emplace_back(place, std::move(problem));
  }
  std::ranges::sort(placed, {}, &std::pair<Place, Problem>::first);
  problems.clear();
  for (auto& [place, problem] : placed) problems.push_back(std::move(problem));
}

}  // namespace penstock::config
