#include "pipeline/config/fingerprint.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "pipeline/base/checksum.h"
#include "pipeline/base/codec.h"

namespace penstock::config {
namespace {

std::vector<const Node::Entry*> entries_of(const Node& map) {
  std::vector<const Node::Entry*> entries;
  entries.reserve(map.entries.size());
  for (const Node::Entry& entry : map.entries) entries.push_back(&entry);
  return entries;
}

std::vector<const Node::Entry*> sorted(const Node& map) {
  auto entries = entries_of(map);
  std::ranges::sort(entries, {}, &Node::Entry::key);
  return entries;
}

bool is_plain_text(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+%") ==
             std::string_view::npos &&
         !text.ends_with(':');
}

void append_text(std::string_view text, std::string& out) {
  if (is_plain_text(text)) {
    out += text;
    return;
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else out.push_back(c);
  }
  out.push_back('"');
}

void append_dump(const Node& node, std::string& out) {
  std::string_view separator;
  switch (node.kind) {
    case Node::Kind::null: out += "null"; return;
    case Node::Kind::scalar:
      if (node.secret) out += "***";
      else append_text(node.text, out);
      return;
    case Node::Kind::list:
      out.push_back('[');
      for (const Node& item : node.items) {
        out += std::exchange(separator, ", ");
        append_dump(item, out);
      }
      out.push_back(']');
      return;
    case Node::Kind::map:
      out.push_back('{');
      for (const Node::Entry* entry : sorted(node)) {
        out += std::exchange(separator, ", ");
        append_text(entry->key, out);
        out += ": ";
        append_dump(entry->value, out);
      }
      out.push_back('}');
      return;
  }
}

enum class Order : std::uint8_t { any, of_file };

// Lengths before texts: no two different trees have the same bytes.
void append_exact(const Node& node, Order order, Writer& out) {
  out.fixed(static_cast<std::uint8_t>(node.kind));
  switch (node.kind) {
    case Node::Kind::null: return;
    case Node::Kind::scalar:
      out.fixed(static_cast<std::uint8_t>(node.quoted));
      out.text(node.text);
      return;
    case Node::Kind::list:
      out.varint(node.items.size());
      for (const Node& item : node.items) append_exact(item, order, out);
      return;
    case Node::Kind::map:
      out.varint(node.entries.size());
      for (const Node::Entry* entry : order == Order::any ? sorted(node) : entries_of(node)) {
        out.text(entry->key);
        append_exact(entry->value, order, out);
      }
      return;
  }
}

std::uint64_t fingerprint(const Node& node, Order order) {
  std::string bytes;
  Writer writer(bytes);
  append_exact(node, order, writer);
  return checksum(bytes);
}

}  // namespace

std::string dump(const Node& node) {
  std::string out;
  append_dump(node, out);
  return out;
}

std::uint64_t fingerprint(const Node& node) { return fingerprint(node, Order::any); }

std::uint64_t fingerprint_in_order(const Node& node) { return fingerprint(node, Order::of_file); }

}  // namespace penstock::config
