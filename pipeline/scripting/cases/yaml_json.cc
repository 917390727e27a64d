#include "pipeline/scripting/cases/yaml_json.h"

#include <string_view>

#include "pipeline/event/json.h"

namespace penstock::scripting {
namespace {

using config::Node;

std::size_t digits(std::string_view text, std::size_t at) {
  const std::size_t end = text.find_first_not_of("0123456789", at);
  return (end == std::string_view::npos ? text.size() : end) - at;
}

bool is_json_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = digits(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return false;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits(text, at + 1);
    if (fraction == 0) return false;
    at += 1 + fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = digits(text, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == text.size();
}

void append_scalar(const Node& node, std::string& out) {
  const bool plain = !node.quoted && (node.text == "true" || node.text == "false" || is_json_number(node.text));
  if (plain) out += node.text;
  else json::append_string(out, node.text);
}

}  // namespace

void append_json(const Node& node, std::string& out) {
  switch (node.kind) {
    case Node::Kind::null: out += "null"; return;
    case Node::Kind::scalar: append_scalar(node, out); return;
    case Node::Kind::list:
      out.push_back('[');
      for (const Node& item : node.items) {
        if (&item != &node.items.front()) out.push_back(',');
        append_json(item, out);
      }
      out.push_back(']');
      return;
    case Node::Kind::map:
      out.push_back('{');
      for (const Node::Entry& entry : node.entries) {
        if (&entry != &node.entries.front()) out.push_back(',');
        json::append_string(out, entry.key);
        out.push_back(':');
        append_json(entry.value, out);
      }
      out.push_back('}');
      return;
  }
}

}  // namespace penstock::scripting
