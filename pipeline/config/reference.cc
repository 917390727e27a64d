#include "pipeline/config/reference.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/fingerprint.h"

namespace penstock::config {
namespace {

struct Row {
  std::string name;
  std::string type;
  std::string initial;  // "required", a value, or empty
  std::string_view doc;
};

std::string type_text(const TypeInfo& type, const FieldOptions& options) {
  const auto ranged = [&](std::string_view noun) {
    if (!options.range) return std::string(noun);
    return fmt::format("{} from {} to {}", noun, range_text(options.range->min, type.kind),
                       range_text(options.range->max, type.kind));
  };
  const auto& one_of = options.one_of;
  switch (type.kind) {
    case TypeKind::boolean: return "true or false";
    case TypeKind::integer: return ranged("integer");
    case TypeKind::number: return ranged("number");
    case TypeKind::text:
      return one_of.count == 0
                 ? "text"
                 : fmt::format("one of {}", fmt::join(one_of.values.begin(), one_of.values.begin() + one_of.count, ", "));
    case TypeKind::bytes: return ranged("size");
    case TypeKind::duration: return ranged("duration");
    case TypeKind::rate: return ranged("rate");
    case TypeKind::secret: return "secret: ${env:NAME} or ${file:path}";
    case TypeKind::url: return "http or https address";
    case TypeKind::listen_address: return "host:port";
    case TypeKind::choice: return fmt::format("one of {}", fmt::join(type.choices, ", "));
    case TypeKind::list: return fmt::format("list of {}", type_text(*type.element, options));
    case TypeKind::string_map: return "map of texts";
    case TypeKind::structure: return "map";
    case TypeKind::any: return "any value";
  }
  return {};
}

std::string initial_text(const FieldInfo& field) {
  if (field.options.need == Need::required) return "required";
  const Node& initial = field.initial;
  const bool empty = initial.kind == Node::Kind::null || (initial.kind == Node::Kind::list && initial.items.empty()) ||
                     (initial.kind == Node::Kind::map && initial.entries.empty()) ||
                     (initial.kind == Node::Kind::scalar && initial.text.empty());
  return empty ? std::string() : dump(initial);
}

// The struct a value holds, itself or as elements of a list; null when it holds none.
const StructInfo* structure_in(const TypeInfo& type, std::string& name) {
  if (type.kind == TypeKind::structure) return &type.structure();
  if (type.kind != TypeKind::list) return nullptr;
  name += "[]";
  return structure_in(*type.element, name);
}

// `outer` are the structs that this one is within: a struct within itself is not told again.
void collect(const StructInfo& info, const std::string& prefix, std::vector<const StructInfo*>& outer,
             std::vector<Row>& rows) {
  outer.push_back(&info);
  for (const FieldInfo& field : info.fields) {
    std::string name = prefix + std::string(field.name);
    rows.push_back({name, type_text(*field.type, field.options), initial_text(field), field.doc});
    const StructInfo* inner = structure_in(*field.type, name);
    if (inner != nullptr && std::ranges::find(outer, inner) == outer.end()) collect(*inner, name + ".", outer, rows);
  }
  outer.pop_back();
}

std::vector<Row> rows_of(const StructInfo& info) {
  std::vector<Row> rows;
  std::vector<const StructInfo*> outer;
  collect(info, "", outer, rows);
  return rows;
}

std::string table_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace

std::string reference_text(const StructInfo& info) {
  const std::vector<Row> rows = rows_of(info);
  std::size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  std::string out;
  for (const Row& row : rows) {
    out += fmt::format("{:<{}}  {}", row.name, width, row.type);
    if (row.initial == "required") out += ", required";
    else if (!row.initial.empty()) out += fmt::format(", default {}", row.initial);
    out += fmt::format("\n{:<{}}  {}\n", "", width, row.doc);
  }
  return out;
}

std::string reference_markdown(const StructInfo& info) {
  std::string out = "| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n";
  for (const Row& row : rows_of(info)) {
    const bool is_value = row.initial != "required" && !row.initial.empty();
    out += fmt::format("| `{}` | {} | {} | {} |\n", row.name, table_cell(row.type),
                       is_value ? fmt::format("`{}`", table_cell(row.initial)) : row.initial, table_cell(row.doc));
  }
  return out;
}

}  // namespace penstock::config
