#include "pipeline/base/json_string.h"

#include <fmt/format.h>

#include "pipeline/base/utf8.h"

namespace penstock {

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const Utf8Character one = utf8_character(text);
    if (!one.valid) out += "\\ufffd";
    else if (one.code == '"' || one.code == '\\') out.append({'\\', text[0]});
    else if (one.code == '\n') out += "\\n";
    else if (one.code < 0x20) out += fmt::format("\\u{:04x}", one.code);
    else out += text.substr(0, one.bytes);
    text.remove_prefix(one.bytes);
  }
  out.push_back('"');
}

}  // namespace penstock
