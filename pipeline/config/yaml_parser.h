#pragma once
// YAML text to a tree of nodes, strictly. The only file that knows the YAML library. What YAML allows but a configuration
// must not hold is refused with a sentence: anchors, aliases and merge keys, tags, keys that are not text, duplicate keys,
// several documents. Limits: 64 levels, 50,000 values, 10,000 keys in a map.

#include <memory>
#include <string>
#include <string_view>

#include "pipeline/config/node.h"

namespace penstock::config {

// False when the text ends before its tree does; what is wrong is then the last of `problems`, and `root` is not to be read.
// True with problems: the tree is whole, and every refused value in it is `broken`.
bool parse_yaml(std::string_view text, const std::shared_ptr<const std::string>& file, Node& root, Problems& problems);

}  // namespace penstock::config
