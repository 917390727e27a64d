#pragma once
// One function of the `app` table, declared where it is written. The reference page, the editor's definitions and
// `penstock app check` are made from these declarations, and a test runs every example.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct lua_State;

namespace penstock::scripting {

class AppTable;

struct AppFunction {
  std::string_view name;        // "sha256"; with a dot it lies in a table: "time.parse"; a method: "Regex:match"
  std::string_view parameters;  // as LuaLS writes them: "text: string, key?: string"; empty: none
  std::string_view returns;     // its type likewise: "string", "integer?"; empty: nothing
  std::string_view doc;         // sentences
  std::string_view example;     // a Lua expression over `event` and `app`, see app_table.h
  std::string_view gives;       // its value, as JSON
  int (*function)(lua_State*);  // upvalue 1 is the AppTable

  // "app.sha256(text, [key])", "regex:match(text)"
  std::string usage() const;
};

// "text: string", "labels?: table<string, number>": the parts of a list of parameters or results, cut at ", " outside of
// brackets.
std::vector<std::string_view> declared_parts(std::string_view list);

// One group a file; `app_functions` is all of them in the order of the reference.
std::span<const AppFunction> event_functions();
std::span<const AppFunction> path_functions();
std::span<const AppFunction> json_functions();
std::span<const AppFunction> digest_functions();
std::span<const AppFunction> coding_functions();
std::span<const AppFunction> url_functions();
std::span<const AppFunction> time_functions();
std::span<const AppFunction> state_functions();
std::span<const AppFunction> regex_functions();
std::span<const AppFunction> user_agent_functions();
std::span<const AppFunction> metrics_functions();

// Methods of what some functions return: "Regex:match" is one of the class Regex.
std::span<const AppFunction> regex_methods();
// Makes the class Regex known to a state. Raises.
void install_regex(lua_State* state, AppTable* owner);

// The group's way to the table it belongs to.
AppTable& app_table(lua_State* state);
// A string argument. Numbers are not taken for texts: hashing 5 where "5" was meant is a mistake worth knowing.
std::string_view text_argument(lua_State* state, int index);
// The same, where it may be left out.
std::optional<std::string_view> optional_text(lua_State* state, int index);
// `nil, message`: how a function says that a text is none of what it reads. Returns 2.
int no_result(lua_State* state, std::string_view message);
// Raises when the instruction limit is used up; bytes are charged as the library charges them.
void charge_for_bytes(lua_State* state, std::size_t bytes);

}  // namespace penstock::scripting
