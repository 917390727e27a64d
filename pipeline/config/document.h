#pragma once
// A configuration as one tree: its text parsed, ${…} substituted, the files it includes merged in.
//
// `include:` at the top of a file is a path or a list of paths, relative to that file. What they hold comes first, in the
// order listed, then what the file itself says: lists (sources, apps, destinations, projects) are joined, maps are merged,
// and a value set twice is a problem that names both places. Limits: 1 MiB a file, 8 files deep, 64 files.

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/lookup.h"
#include "pipeline/config/node.h"

namespace penstock::config {

struct Document {
  Node root;                       // a map, when readable
  bool readable = false;           // false: some file is no YAML we accept; reading on would only add noise
  Problems problems;               // a readable document may have some too: read on, so that all are shown at once
  std::vector<std::string> files;  // every file that was read, for whoever watches them; the first is the document itself
};

// Never throws, never prints; may block on the disk.
Document load_document(const std::string& path, const Lookup& lookup);

// The same for a text in hand; `name` stands in messages, and its folder is where relative paths start.
Document parse_document(std::string_view text, const std::string& name, const Lookup& lookup);

// As a reader wants them: file by file, in the order in which the files first appear, each from top to bottom.
void sort_problems(Problems& problems);

}  // namespace penstock::config
