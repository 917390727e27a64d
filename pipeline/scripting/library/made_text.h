#pragma once
// A text that a C function makes for its script. It is outside of the script's memory until it is pushed, so it is paid for while
// it grows, and cannot become larger than that memory, nor than 16 MiB.
//
// Everything that appends raises: the memory limit of the script when it could never hold the text, an ordinary error that names
// the function beyond 16 MiB, the instruction limit when nothing is left.

#include <cstddef>
#include <string>
#include <string_view>

struct lua_State;

namespace penstock::scripting {

class MadeText {
 public:
  static constexpr std::size_t kBytesMax = 16 << 20;

  // `function` is the name for messages, "app.url.build".
  MadeText(lua_State* state, const char* function) : state_(state), function_(function) {}

  void append(std::string_view text);
  void append_encoded(std::string_view text);  // as in url_text.h
  void append_kept(std::string_view text, std::string_view ends);  // likewise

  bool empty() const { return text_.empty(); }
  std::string_view view() const { return text_; }
  void push() const;

 private:
  template <class Write>
  void append_coded(std::string_view text, Write&& write);
  void pay(std::size_t before, std::size_t bytes_per_step);

  lua_State* state_;
  const char* function_;
  std::string text_;
};

}  // namespace penstock::scripting
