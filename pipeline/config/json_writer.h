#pragma once
// JSON for people to read and for git to compare: two spaces, keys in the order written, one line per value.

#include <string>
#include <string_view>
#include <vector>

namespace penstock::config {

// Calls must nest as JSON does: a key before each value within an object. Appends to a string of its own.
class JsonWriter {
 public:
  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_list() { begin('['); }
  void end_list() { end(']'); }
  void key(std::string_view name);
  void text(std::string_view value);
  void texts(const std::vector<std::string_view>& values);  // a list on one line
  void raw(std::string_view json);  // a number, true, false, null

  void member(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void raw_member(std::string_view name, std::string_view json) {
    key(name);
    raw(json);
  }

  // The finished document, with a final newline.
  std::string take() &&;

 private:
  void begin(char bracket);
  void end(char bracket);
  void value_starts();
  void append_quoted(std::string_view value);

  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;      // nothing yet in the innermost bracket
  bool after_key_ = false;
};

}  // namespace penstock::config
