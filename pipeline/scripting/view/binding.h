#pragma once
// How a script sees the current event: as a table that is none.
//
// Objects and arrays are light userdata, that is, plain values that hold a generation and a node's number: making one
// allocates nothing, two of the same part are equal, and the collector never hears of them. All share one metatable, whose
// functions decode the one value asked for and write down the one assigned. Each call of a script is a new generation, so a
// part kept beyond its call is recognised and refused; it can never show another event's data. JSON null is `app.null`.
//
// To scripts:
//   event.a.b            a value, a part, app.null, or nil. Integers of 64 bits are exact; a number that no double holds
//                        (1e400) is read as its text; other numbers are floats
//   event.a = value      copies: `event.b = event.a` shares nothing afterwards, a table assigned is written down at once.
//                        nil removes. Setting what is there already changes no byte. New keys come last. A number read from
//                        this event keeps its digits wherever it is put (1.10, thirty digits, 1e400)
//   pairs, ipairs, next, #, table.insert, table.remove, table.concat, table.sort: as with tables; pairs in the order of the
//                        document. Members may be removed during a walk; those added during it are not visited
//   table.insert, remove  move the parts that a script holds with their elements; sort and move copy
//   array[i] = nil       removes the element: it reads nil from then on, and the others close up when the app returns
//   array[#array + 1]    appends; further out is an error. An object without members becomes an array by object[1] = value
//   event:facts()        a table of the facts, times in milliseconds, also when the body has a field `facts`; `event.facts` is
//                        that field, so a method taken for later (`local f = event.facts`) is better app.facts
//   tostring(part)       its JSON
// One per Vm, whose owner it becomes. Belongs to the Vm's thread.

#include <array>
#include <cstdint>

#include "pipeline/base/result.h"
#include "pipeline/scripting/view/event_state.h"
#include "pipeline/scripting/view/lua_json.h"
#include "pipeline/scripting/view/read_numbers.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {

class Binding {
 public:
  enum class Access : std::uint8_t { read, write };

  explicit Binding(Vm& vm);
  static Binding& of(lua_State* state) { return *static_cast<Binding*>(Vm::of(state).owner()); }

  // Makes the metatable.
  Result<void> install();

  // The next call of a script is about this event.
  void open(EventState& event, Access access);
  void close() { event_ = nullptr; }
  // Raises when a script asks outside of an event: while the app is being loaded.
  EventState& event(lua_State* state);
  bool has_event() const { return event_ != nullptr; }

  // What to push as light userdata for the event and for its facts.
  void* root() const { return encode(Document::kRoot); }
  void* facts() const { return encode(kFacts); }

  // A table with a copy of the facts.
  void push_facts_table(lua_State* state);
  // The text of a part, for storing it elsewhere. Raises when it is dead.
  std::string_view part_text(lua_State* state, void* part);
  bool is_array(lua_State* state, void* part) const {
    const NodeId node = node_of(state, part);
    return node != kFacts && event_->document().is_array(node);
  }
  // The node of a living part.
  NodeId node_of(lua_State* state, void* part) const;
  LuaJson& json() { return json_; }
  // A raw JSON number as a script sees it. `raw` lasts as long as the event: put into it, the number keeps its digits.
  void push_number(lua_State* state, std::string_view raw);

 private:
  friend struct Metamethods;
  static constexpr std::array kFactNames{"uuid",      "project",   "event",       "distinct_id",
                                         "person_id", "timestamp", "received_at", "source"};
  static constexpr int kNodeBits = 20;
  static constexpr NodeId kFacts = (1u << kNodeBits) - 2;

  void* encode(NodeId node) const {
    // A light userdata that is never followed: a generation and a node, not an address.
    return reinterpret_cast<void*>(  // NOLINT(performance-no-int-to-ptr)
        static_cast<std::uintptr_t>(generation_ << kNodeBits | (node + 1)));
  }
  std::size_t find(lua_State* state, NodeId node, std::string_view key);
  void push(lua_State* state, NodeId node, std::size_t place);
  bool push_fact(lua_State* state, std::string_view name) const;
  bool same(lua_State* state, int index, const Document::Entry& entry);
  void assign(lua_State* state, NodeId node, std::string_view key);
  void assign_element(lua_State* state, NodeId node, long long index);
  std::string_view stored(lua_State* state, int index, const Place& place);
  void assign_fact(lua_State* state, NodeId node, std::string_view key, std::string_view raw);
  void follow_id(NodeId node, std::string_view key);
  struct NewKey {
    std::string_view key;
    std::string_view raw;  // as in Document::Entry
  };
  NewKey checked_key(lua_State* state, NodeId node, std::string_view key);
  std::string_view quoted(std::string_view plain);
  void insert_element(lua_State* state, NodeId node, long long index);
  void remove_element(NodeId node, long long index);

  Vm& vm_;
  EventState* event_ = nullptr;
  std::uint64_t generation_ = 0;
  Access access_ = Access::read;
  ReadNumbers numbers_;
  LuaJson json_;
  // Where a key was found last, by the address of Lua's interned string: events of one shape have it there again.
  std::array<std::uint32_t, 128> hints_{};
  std::string scratch_;
};

}  // namespace penstock::scripting
