#include "pipeline/scripting/view/document.h"

#include <algorithm>

#include <fmt/format.h>

#include "pipeline/base/check.h"
#include "pipeline/base/same_text.h"

namespace penstock::scripting {
namespace {

// Proxies have 20 bits for a node's id.
constexpr NodeId kNodesMax = (1u << 20) - 2;

// Beyond this the memory for nodes is given back with the next event.
constexpr std::size_t kNodesKept = 1024;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Whether only white space and one `separator` lie between two points of the same text.
bool only_between(const char* from, const char* to, char separator) {
  if (from >= to) return false;
  if (to - from == 1) return *from == separator;
  bool found = false;
  for (; from < to; ++from) {
    if (*from == separator && !found) found = true;
    else if (!is_space(*from)) return false;
  }
  return found;
}

// One of 64 bits, by the length and two bytes of a key.
std::uint64_t key_bit(std::string_view key) {
  if (key.empty()) return 1;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(key[at])); };
  return std::uint64_t{1} << ((7 * key.size() + 5 * byte(key.size() / 2) + byte(key.size() - 1)) & 63);
}

const char* end_of(std::string_view text) { return text.data() + text.size(); }

}  // namespace

void Document::open(const json::ObjectIndex& body) {
  open(body.text());
  body_ = &body;
}

void Document::open(std::string_view object) {
  used_ = 0;
  if (nodes_.size() > kNodesKept) [[unlikely]]
    std::vector<Node>().swap(nodes_);
  holes_ = false;
  shared_ = 0;
  body_ = nullptr;
  make_node(object, kNone);
}

NodeId Document::make_node(std::string_view raw, NodeId parent) {
  if (used_ == kNodesMax) return kNone;
  if (used_ == nodes_.size()) nodes_.emplace_back();
  Node& node = nodes_[used_];
  node.raw = raw;
  node.entries.clear();
  node.keys.clear();
  node.key_bits = 0;
  node.parent = parent;
  node.cursor = 0;
  node.walks.clear();
  node.array = raw.front() == '[';
  node.indexed = node.changed = node.holes = false;
  return used_++;
}

Result<void> Document::index(NodeId id) {
  Node& node = nodes_[id];
  if (id == kRoot && body_ != nullptr) {
    take_members(node, *body_);
  } else if (node.array) {
    TRY(body_ != nullptr ? body_->index_nested(node.raw, scratch_elements_)
                         : json::index_array(node.raw, scratch_elements_));
    for (const std::string_view element : scratch_elements_)
      node.entries.push_back({.key = {}, .raw_key = {}, .raw = element, .original = true});
  } else {
    TRY(body_ != nullptr ? body_->index_nested(node.raw, scratch_index_) : json::index_object(node.raw, scratch_index_));
    take_members(node, scratch_index_);
  }
  node.indexed = true;
  return {};
}

void Document::take_members(Node& node, const json::ObjectIndex& from) {
  const auto& members = from.members();
  node.entries.resize(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const json::Member& member = members[i];
    Entry& entry = node.entries[i];
    entry.key = entry.raw_key = member.key;
    entry.raw = member.value;
    entry.original = true;
    if (member.key_escaped) entry.key = arena_.copy(json::unescaped_key(member, scratch_text_));
    node.key_bits |= key_bit(entry.key);
  }
}

std::size_t Document::size(NodeId id) const {
  const auto& entries = nodes_[id].entries;
  std::size_t size = entries.size();
  while (size > 0 && entries[size - 1].removed) --size;
  return size;
}

std::size_t Document::find(NodeId id, std::string_view key, std::size_t hint) {
  Node& node = nodes_[id];
  const auto& entries = node.entries;
  if (entries.size() <= kIndexedFrom && (node.key_bits & key_bit(key)) == 0) return kNowhere;
  const auto is_it = [&](std::size_t place) { return same_text(entries[place].key, key); };
  if (hint < entries.size() && is_it(hint)) return hint;
  if (node.cursor < entries.size() && is_it(node.cursor)) return node.cursor;
  if (entries.size() > kIndexedFrom) {
    while (node.keys.size() < entries.size()) node.keys.add(entries[node.keys.size()].key);
    return node.keys.find(key, is_it);
  }
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (is_it(i)) return i;
  return kNowhere;
}

void Document::begin_walk(NodeId id) {
  auto& walks = nodes_[id].walks;
  if (walks.size() == kWalksMax) walks.erase(walks.begin());
  walks.push_back({kNowhere, nodes_[id].entries.size()});
}

std::size_t Document::walk_on(NodeId id, std::size_t place) {
  Node& node = nodes_[id];
  auto walk = std::ranges::find(node.walks.rbegin(), node.walks.rend(), place, &Walk::at);
  // A question for the first place within another walk is none of a walk that has not begun.
  if (place == kNowhere && walk != node.walks.rbegin()) walk = node.walks.rend();
  const bool walking = walk != node.walks.rend();
  const std::size_t end = walking ? std::min(walk->end, node.entries.size()) : node.entries.size();
  std::size_t next = place == kNowhere ? 0 : place + 1;
  while (next < end && node.entries[next].removed) ++next;
  if (next >= end) {
    if (walking) node.walks.erase(std::next(walk).base());
    return kNowhere;
  }
  if (walking) walk->at = next;
  return node.cursor = next;
}

NodeId Document::child(NodeId id, std::size_t place) {
  Entry& entry = nodes_[id].entries[place];
  if (entry.child == kNone) entry.child = make_node(entry.raw, id);
  return entry.child;
}

void Document::mark_changed(NodeId id) {
  while (id != kNone && !nodes_[id].changed) {
    nodes_[id].changed = true;
    id = nodes_[id].parent;
  }
}

// A node whose place is taken by another value goes on by itself.
void Document::cut(Entry& entry) {
  if (entry.child != kNone) nodes_[entry.child].parent = kNone;
  entry.child = kNone;
}

void Document::replace(NodeId id, std::size_t place, std::string_view raw) {
  Entry& entry = nodes_[id].entries[place];
  cut(entry);
  entry.raw = raw;
  entry.original = false;
  entry.removed = false;
  mark_changed(id);
}

void Document::append(NodeId id, std::string_view key, std::string_view raw, std::string_view raw_key) {
  nodes_[id].entries.push_back({.key = key, .raw_key = raw_key, .raw = raw});
  nodes_[id].key_bits |= key_bit(key);
  mark_changed(id);
}

void Document::remove(NodeId id, std::size_t place) {
  Node& node = nodes_[id];
  cut(node.entries[place]);
  node.entries[place].removed = true;
  node.entries[place].original = false;
  if (node.array) {
    node.entries.resize(size(id));
    node.holes = holes_ = true;
  }
  mark_changed(id);
}

void Document::insert(NodeId id, std::size_t place, std::string_view raw) {
  auto& entries = nodes_[id].entries;
  entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(place), {.key = {}, .raw_key = {}, .raw = raw});
  mark_changed(id);
}

void Document::erase(NodeId id, std::size_t place) {
  auto& entries = nodes_[id].entries;
  cut(entries[place]);
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(place));
  mark_changed(id);
}

void Document::become_array(NodeId id) {
  nodes_[id].entries.clear();
  nodes_[id].keys.clear();
  nodes_[id].array = true;
  mark_changed(id);
}

void Document::settle() {
  if (!holes_) return;
  holes_ = false;
  for (NodeId id = 0; id < used_; ++id) {
    if (!nodes_[id].holes) continue;
    nodes_[id].holes = false;
    std::erase_if(nodes_[id].entries, [](const Entry& entry) { return entry.removed; });
  }
}

std::string_view Document::text(NodeId id) {
  if (!nodes_[id].changed) return nodes_[id].raw;
  scratch_text_.clear();
  write(id, scratch_text_);
  return arena_.copy(scratch_text_);
}

void Document::write(NodeId id, std::string& out) const {
  const Node& node = nodes_[id];
  if (!node.changed) {
    out.append(node.raw);
    return;
  }
  out.push_back(node.array ? '[' : '{');
  write_entries(node, out);
  out.push_back(node.array ? ']' : '}');
}

void Document::write_key(const Entry& entry, std::string& out) {
  if (entry.raw_key.data() == nullptr) {
    json::append_string(out, entry.key);
  } else {
    out.append(entry.raw_key.data() - 1, entry.raw_key.size() + 2);
  }
  out.push_back(':');
}

// Neighbours that nobody touched are copied together, with the commas and the space between them.
void Document::write_entries(const Node& node, std::string& out) const {
  const char* run = nullptr;
  const char* run_end = nullptr;
  bool first = true;
  const auto flush = [&] {
    if (run == nullptr) return;
    out.append(run, run_end);
    run = nullptr;
  };
  for (const Entry& entry : node.entries) {
    if (entry.removed) continue;
    const bool copied = untouched(entry) && (node.array || only_between(end_of(entry.raw_key) + 1, entry.raw.data(), ':'));
    const char* start = !copied || node.array ? entry.raw.data() : entry.raw_key.data() - 1;
    if (copied && run != nullptr && only_between(run_end, start, ',')) {
      run_end = end_of(entry.raw);
      continue;
    }
    flush();
    if (!first) out.push_back(',');
    first = false;
    if (copied) {
      run = start;
      run_end = end_of(entry.raw);
      continue;
    }
    if (!node.array) write_key(entry, out);
    if (entry.child != kNone) write(entry.child, out);
    else out.append(entry.raw);
  }
  flush();
}

std::string Document::path(NodeId id, std::string_view key) const {
  std::string text;
  if (const NodeId parent = nodes_[id].parent; parent != kNone) {
    const auto& siblings = nodes_[parent].entries;
    const auto at = std::ranges::find(siblings, id, &Entry::child);
    CHECK(at != siblings.end());
    text = nodes_[parent].array ? fmt::format("{}[{}]", path(parent), at - siblings.begin() + 1) : path(parent, at->key);
  }
  if (key.empty()) return text;
  return text.empty() ? std::string(key) : fmt::format("{}.{}", text, key);
}

int Document::depth(NodeId id) const {
  int depth = 0;
  for (; id != kNone; id = nodes_[id].parent) ++depth;
  return depth;
}

int depth_of(std::string_view raw) {
  int depth = 0;
  int deepest = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    switch (raw[i]) {
      case '{':
      case '[': deepest = std::max(deepest, ++depth); break;
      case '}':
      case ']': --depth; break;
      case '"':
        for (++i; i < raw.size() && raw[i] != '"'; ++i)
          if (raw[i] == '\\') ++i;
        break;
      default: break;
    }
  }
  return deepest;
}

}  // namespace penstock::scripting
