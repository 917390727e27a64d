#include "pipeline/scripting/cases/yaml_json.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

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

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Whether every YAML reader takes it for a text, in braces too.
bool is_plain_text(std::string_view text) {
  constexpr std::array kWords{"true", "false", "null", "yes", "no", "on", "off"};
  if (text.empty() || (!is_letter(text.front()) && text.front() != '$') || text.back() == ' ') return false;
  for (const char c : text)
    if (!is_letter(c) && (c < '0' || c > '9') && !std::string_view(" .-+/@$").contains(c)) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::ranges::find(kWords, lower) == kWords.end();
}

std::string_view text_of(std::string_view raw, std::string& scratch) { return json::unescape(raw, scratch); }

std::string key_of(const json::Member& member) {
  std::string scratch;
  return std::string(json::unescaped_key(member, scratch));
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

void append_yaml_text(std::string_view text, std::string& out) {
  if (is_plain_text(text)) out += text;
  else json::append_string(out, text);
}

void append_yaml(std::string_view raw, std::string& out) {
  std::string scratch;
  json::ObjectIndex object;
  std::vector<std::string_view> elements;
  switch (json::kind_of(raw)) {
    case json::Kind::string: append_yaml_text(text_of(raw, scratch), out); return;
    case json::Kind::object: {
      if (!json::index_object(raw, object)) break;
      const char* before = "{ ";
      for (const json::Member& member : object.members()) {
        out += before;
        append_yaml_text(key_of(member), out);
        out += ": ";
        append_yaml(member.value, out);
        before = ", ";
      }
      out += object.members().empty() ? "{}" : " }";
      return;
    }
    case json::Kind::array: {
      if (!json::index_array(raw, elements)) break;
      const char* before = "[";
      for (const std::string_view element : elements) {
        out += before;
        append_yaml(element, out);
        before = ", ";
      }
      out += elements.empty() ? "[]" : "]";
      return;
    }
    default: break;
  }
  out += raw;
}

void append_yaml_lines(std::string_view raw, std::size_t indent, std::string& out) {
  json::ObjectIndex object;
  std::vector<std::string_view> elements;
  auto next_line = [&, first = true]() mutable {
    if (!first) out += "\n" + std::string(indent, ' ');
    first = false;
  };
  if (json::kind_of(raw) == json::Kind::object && json::index_object(raw, object) && !object.members().empty()) {
    for (const json::Member& member : object.members()) {
      next_line();
      append_yaml_text(key_of(member), out);
      out += ": ";
      append_yaml(member.value, out);
    }
  } else if (json::kind_of(raw) == json::Kind::array && json::index_array(raw, elements) && !elements.empty()) {
    for (const std::string_view element : elements) {
      next_line();
      out += "- ";
      append_yaml(element, out);
    }
  } else {
    append_yaml(raw, out);
  }
}

}  // namespace penstock::scripting
