#pragma once
// One event's body while apps work on it: spans of the received bytes, and what was put in their place. A container is
// indexed when somebody looks into it, and written anew only when something in it changed; everything else keeps its bytes.
//
// Values are JSON texts. What is assigned must outlive the document's use: callers copy it into the arena, which is shared
// by all documents of one chain. A container that somebody looked into is a node; its id stays valid until `open`, even when
// the value was replaced: it then lives on by itself, cut from the document. Reused from event to event. Not thread-safe.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/view/arena.h"
#include "pipeline/scripting/view/key_index.h"

namespace penstock::scripting {

using NodeId = std::uint32_t;

class Document {
 public:
  static constexpr NodeId kRoot = 0;
  static constexpr NodeId kNone = ~NodeId{0};
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  static constexpr std::size_t kIndexedFrom = 64;

  // One member of an object or element of an array.
  struct Entry {
    std::string_view key;  // unescaped; empty in arrays
    std::string_view
        raw_key;  // as it is written, without the quotes that stand around it; null for one that has to be escaped
    std::string_view raw;  // the value; of a child that changed, the text it had before
    NodeId child = kNone;  // the value as a node, once somebody looked into it
    bool original = false;  // key and value are bytes of the container's own text
    bool removed = false;  // in arrays: a hole, until `settle`
  };

  explicit Document(Arena& arena) : arena_(arena) {}

  // `body` must stay as it is while the document is in use.
  void open(const json::ObjectIndex& body);
  void open(std::string_view object);

  // Finds out what a container holds; to be called before anything below. An error means damaged bytes.
  Result<void> look_into(NodeId id) {
    if (nodes_[id].indexed) [[likely]]
      return {};
    return index(id);
  }

  bool is_array(NodeId id) const { return nodes_[id].array; }
  const std::vector<Entry>& entries(NodeId id) const { return nodes_[id].entries; }
  // Elements of an array up to the last that is not a hole; members of an object.
  std::size_t size(NodeId id) const;
  // Where the member named `key` is, also a removed one. `hint` is tried first. Objects of more than kIndexedFrom members
  // get an index of their keys at the first search that needs it.
  std::size_t find(NodeId id, std::string_view key, std::size_t hint = 0);
  // Members that the next search would first have to put into the index.
  std::size_t unindexed(NodeId id) const {
    const Node& node = nodes_[id];
    return node.entries.size() > kIndexedFrom ? node.entries.size() - node.keys.size() : 0;
  }
  // The node of an entry that is a container. kNone when there are too many nodes.
  NodeId child(NodeId id, std::size_t place);

  // The last place that a walk over the container has reached.
  std::size_t& cursor(NodeId id) { return nodes_[id].cursor; }
  // Begins a walk over what is in the container now: what is appended from now on is not part of it. Walks may lie within
  // each other; of more than kWalksMax that were begun and not ended, the oldest is forgotten.
  void begin_walk(NodeId id);
  // The next place that is not removed after `place`, or the first with kNowhere; kNowhere at the end. Of a walk that was
  // begun and stands at `place`, up to its end, otherwise up to the container's.
  std::size_t walk_on(NodeId id, std::size_t place);

  void replace(NodeId id, std::size_t place, std::string_view raw);
  // `raw_key`: as in Entry.
  void append(NodeId id, std::string_view key, std::string_view raw, std::string_view raw_key = {});
  void remove(NodeId id, std::size_t place);
  // Of an array: what is at `place` and behind moves up; what is behind `place` moves down. Nodes move with their elements.
  void insert(NodeId id, std::size_t place, std::string_view raw);
  void erase(NodeId id, std::size_t place);
  // An object without members may turn out to be meant as an array.
  void become_array(NodeId id);

  // The container's present text, of the original bytes when nothing changed in it.
  std::string_view text(NodeId id);
  void write(NodeId id, std::string& out) const;
  bool changed() const { return nodes_[kRoot].changed; }

  // Bytes of values that were put in by sharing bytes that are there already, for they grow the text but not the arena.
  void note_shared(std::size_t bytes) { shared_ += bytes; }
  std::size_t shared() const { return shared_; }

  // Between two apps: closes holes in arrays.
  void settle();

  // "properties.tags[2]"; with `key` added when not empty.
  std::string path(NodeId id, std::string_view key = {}) const;
  // Containers around the values of this one: 1 for the root.
  int depth(NodeId id) const;

 private:
  static constexpr std::size_t kWalksMax = 8;

  struct Walk {
    std::size_t at = kNowhere;  // the place it stands at; kNowhere: before the first
    std::size_t end = 0;
  };
  struct Node {
    std::string_view raw;
    std::vector<Entry> entries;
    KeyIndex keys;  // of the first keys.size() entries
    std::uint64_t key_bits = 0;  // of an object, those of all its keys: one that has none of them is not there
    NodeId parent = kNone;
    std::size_t cursor = 0;
    std::vector<Walk> walks;  // the innermost last
    bool array = false;
    bool indexed = false;
    bool changed = false;
    bool holes = false;
  };

  Result<void> index(NodeId id);
  void take_members(Node& node, const json::ObjectIndex& from);
  NodeId make_node(std::string_view raw, NodeId parent);
  void mark_changed(NodeId id);
  void cut(Entry& entry);
  bool untouched(const Entry& entry) const {
    return entry.original && (entry.child == kNone || !nodes_[entry.child].changed);
  }
  void write_entries(const Node& node, std::string& out) const;
  static void write_key(const Entry& entry, std::string& out);

  Arena& arena_;
  std::vector<Node> nodes_;  // the first `used_` are this event's
  NodeId used_ = 0;
  bool holes_ = false;
  std::size_t shared_ = 0;
  const json::ObjectIndex* body_ = nullptr;
  json::ObjectIndex scratch_index_;
  std::vector<std::string_view> scratch_elements_;
  std::string scratch_text_;
};

// The nesting of a valid JSON value: 0 for a scalar, 1 for an array of scalars.
int depth_of(std::string_view raw);

}  // namespace penstock::scripting
