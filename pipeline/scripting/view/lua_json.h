#pragma once
// Lua values as JSON. Tables are copied as they are at that moment: what happens to them later changes nothing.
//
//   nil               not a value; callers decide        integer  all its digits
//   float             as it was read from the event, else the shortest that reads back to it, with a point or exponent: "1.0"
//   string            escaped; bytes that are not UTF-8 become U+FFFD, but in a key they are an error
//   {}                object; `app.array{}` is an empty array      {1, 2, 3}  array      {a = 1}  object, keys in byte order
//   an event's part   its present text                    app.null  null
// An error that names the field: NaN, infinity, a function or thread, a table that mixes keys, has holes or contains itself,
// more than 128 levels, more than 1 MiB. It is paid for while it is written, so the instruction limit may end it too.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/scripting/view/document.h"
#include "pipeline/scripting/view/read_numbers.h"

struct lua_State;

namespace penstock::scripting {

inline constexpr int kDepthMax = 128;
inline constexpr std::size_t kBodyBytesMax = 1 << 20;

// Where a value is going, for messages.
struct Place {
  const Document* document = nullptr;  // null: nowhere yet, `key` says what it is
  NodeId node = Document::kNone;
  std::string_view key;
  long long index = 0;  // in an array, from 1

  std::string to_string() const;  // "field 'properties.tags[2]'"
};

class LuaJson {
 public:
  // Who knows what a light userdata means: the text of an event's part; raises when it is none.
  using PartText = std::string_view (*)(lua_State*, void* part);

  // `read` knows how numbers of the event were written.
  LuaJson(PartText part_text, const ReadNumbers& read) : part_text_(part_text), read_(read) {}

  // Makes `app.array`'s mark, to be called once per state before anything else.
  void install(lua_State* state);
  // Puts the mark on the table at the top of the stack.
  static void mark_array(lua_State* state);
  // Whether the table at `index` has it.
  static bool is_array(lua_State* state, int index);

  // The JSON of the value at `index`, which lies `depth` containers deep; valid until the next call. Raises.
  std::string_view write(lua_State* state, int index, int depth, const Place& place);

 private:
  struct Step {
    std::string_view key;  // or
    long long index = 0;
  };

  void value(lua_State* state, int index, int depth);
  void table(lua_State* state, int index, int depth);
  void array(lua_State* state, int index, long long size, int depth);
  void object(lua_State* state, int index, std::size_t first_key, int depth);
  void number(lua_State* state, int index);
  bool is_marked(lua_State* state, int index) const;
  bool is_list(lua_State* state, int index, long long size, std::size_t first_key);
  void text(lua_State* state, std::string_view text);
  void pay(lua_State* state, std::size_t before, std::size_t bytes_per_step) const;
  void refuse(lua_State* state, std::string_view reason) const;

  PartText part_text_;
  const ReadNumbers& read_;
  const Place* place_ = nullptr;
  const void* mark_ = nullptr;
  std::string out_;
  std::vector<const void*> open_tables_;
  std::vector<std::string_view> keys_;
  std::vector<Step> path_;
};

}  // namespace penstock::scripting
