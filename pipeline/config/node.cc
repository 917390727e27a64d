#include "pipeline/config/node.h"

#include <fmt/format.h>

namespace penstock::config {

std::string Location::to_string() const {
  const std::string name = file ? *file : std::string("(configuration)");
  return line == 0 ? name : fmt::format("{}:{}:{}", name, line, column);
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

std::string Problem::to_string() const {
  if (path.empty()) return fmt::format("{}: {}", at.to_string(), message);
  return fmt::format("{}: {}: {}", at.to_string(), path, message);
}

}  // namespace penstock::config
