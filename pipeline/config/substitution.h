#pragma once
// ${env:NAME}, ${env:NAME:-default} and ${file:path} in the scalars of a parsed tree; `$${` stands for a literal `${`. It
// happens after parsing, so what is substituted can never change the structure. A scalar that got a text this way is
// `secret`; one that could not is `broken`. Keys are left alone.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/lookup.h"
#include "pipeline/config/node.h"

namespace penstock::config {

// One for a whole configuration: it bounds all that its files substitute to 16 MiB. Belongs to one thread.
class Substitution {
 public:
  Substitution(const Lookup& lookup, Problems& problems, std::vector<std::string>& files)
      : lookup_(lookup), problems_(problems), files_(files) {}

  // `folder` is where a relative ${file:…} starts. Files that were read are added to `files`.
  void apply(Node& node, const std::string& folder);

 private:
  void scalar(Node& node, const std::string& folder);
  // The text for what stands between ${ and }, or a problem noted at the node.
  std::optional<std::string> replacement(const Node& node, std::string_view inside, const std::string& folder);
  std::optional<std::string> from_env(const Node& node, std::string_view inside);
  std::optional<std::string> from_file(const Node& node, std::string_view path, const std::string& folder);
  std::nullopt_t refuse(const Node& node, std::string message);

  const Lookup& lookup_;
  Problems& problems_;
  std::vector<std::string>& files_;
  std::size_t substituted_ = 0;  // bytes
};

// `path` as seen from `folder`; an absolute one stays.
std::string path_from(const std::string& folder, std::string_view path);

}  // namespace penstock::config
