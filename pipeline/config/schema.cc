#include "pipeline/config/schema.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/json_writer.h"

namespace penstock::config {
namespace {

constexpr std::string_view kSubstituted = R"(\$\{(env|file):[^}]*\})";

// What the text of a value must look like, for kinds that JSON sees as strings.
std::string_view pattern_of(TypeKind kind) {
  switch (kind) {
    case TypeKind::bytes: return "^(0+|[0-9]+ ?(B|[KMGT]i?B))$";
    case TypeKind::duration: return "^(0+|[0-9]+ ?(ms|s|m|h|d))$";
    case TypeKind::rate: return "^[0-9.]+([eE][-+]?[0-9]+)?/(s|m|h|d)$";
    case TypeKind::url: return "^https?://[^ ]+$";
    case TypeKind::listen_address: return R"(^([^:]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$)";
    case TypeKind::secret: return "^$";
    default: return {};
  }
}

// JSON has ranges for numbers only; those of sizes, times and rates are told in words.
std::string description_of(const FieldInfo& field) {
  const TypeKind kind = field.type->kind;
  const bool told_by_json = kind == TypeKind::integer || kind == TypeKind::number;
  if (!field.options.range || told_by_json) return std::string(field.doc);
  return fmt::format("{} From {} to {}.", field.doc, range_text(field.options.range->min, kind),
                     range_text(field.options.range->max, kind));
}

class SchemaWriter {
 public:
  std::string whole(const StructInfo& info, std::string_view title, const std::vector<TypedList>& lists, bool with_include) {
    lists_ = &lists;
    json_.begin_object();
    json_.member("$schema", "https://json-schema.org/draft/2020-12/schema");
    json_.member("title", title);
    where_.push_back({&info, "#"});
    object_body({&info}, "#", with_include);
    where_.pop_back();
    definitions();
    json_.end_object();
    return std::move(json_).take();
  }

 private:
  void definitions() {
    json_.key("$defs");
    json_.begin_object();
    json_.key("substituted");
    json_.begin_object();
    json_.member("description", "A text that ${env:NAME} or ${file:path} is part of.");
    json_.member("type", "string");
    json_.member("pattern", kSubstituted);
    json_.end_object();
    for (const TypedList& list : *lists_)
      for (const SchemaVariant& variant : list.variants) {
        const std::string name = fmt::format("{}.{}", list.field, variant.type);
        json_.key(name);
        json_.begin_object();
        json_.member("description", variant.summary);
        object_body({list.common, variant.settings}, "#/$defs/" + name, false);
        json_.end_object();
      }
    json_.end_object();
  }

  // Members of a schema object for a map with the fields of all `parts`.
  void object_body(const std::vector<const StructInfo*>& parts, const std::string& pointer, bool with_include) {
    types({"object", "null"});  // a map whose lines are all commented out
    json_.raw_member("additionalProperties", "false");
    json_.key("properties");
    json_.begin_object();
    if (with_include) include_property();
    for (const StructInfo* part : parts)
      for (const FieldInfo& field : part->fields) {
        json_.key(field.name);
        property(field, fmt::format("{}/properties/{}", pointer, field.name));
      }
    json_.end_object();
    required(parts);
  }

  void required(const std::vector<const StructInfo*>& parts) {
    std::vector<std::string_view> names;
    for (const StructInfo* part : parts)
      for (const FieldInfo& field : part->fields)
        if (field.options.need == Need::required) names.push_back(field.name);
    if (names.empty()) return;
    json_.key("required");
    json_.texts(names);
  }

  void include_property() {
    json_.key("include");
    json_.begin_object();
    json_.member("description", "Files to merge in, relative to this one.");
    json_.key("anyOf");
    json_.begin_list();
    typed("string");
    json_.begin_object();
    json_.member("type", "array");
    json_.key("items");
    typed("string");
    json_.end_object();
    json_.end_list();
    json_.end_object();
  }

  void property(const FieldInfo& field, const std::string& pointer) {
    json_.begin_object();
    json_.member("description", description_of(field));
    if (field.initial.kind != Node::Kind::null && field.type->kind != TypeKind::secret) {
      json_.key("default");
      value(field.initial, *field.type);
    }
    const auto typed_list = std::ranges::find(*lists_, field.name, &TypedList::field);
    const bool top_level = pointer == fmt::format("#/properties/{}", field.name);
    if (top_level && typed_list != lists_->end()) entries(*typed_list);
    else type_body(*field.type, field.options, field.nullable, pointer);
    json_.end_object();
  }

  // The entries of a list, told apart by `type`.
  void entries(const TypedList& list) {
    types({"array", "null"});
    json_.key("items");
    json_.begin_object();
    json_.member("type", "object");
    json_.key("properties");
    json_.begin_object();
    json_.key("type");
    json_.begin_object();
    std::vector<std::string_view> names;
    names.reserve(list.variants.size());
    for (const SchemaVariant& variant : list.variants) names.push_back(variant.type);
    choices(names);
    json_.end_object();
    json_.end_object();
    json_.key("required");
    json_.texts({"type"});
    json_.key("allOf");
    json_.begin_list();
    for (const SchemaVariant& variant : list.variants) dispatch(list.field, variant.type);
    json_.end_list();
    json_.end_object();
  }

  void dispatch(std::string_view field, std::string_view type) {
    json_.begin_object();
    json_.key("if");
    json_.begin_object();
    json_.key("properties");
    json_.begin_object();
    json_.key("type");
    json_.begin_object();
    json_.member("const", type);
    json_.end_object();
    json_.end_object();
    json_.end_object();
    json_.key("then");
    json_.begin_object();
    json_.member("$ref", fmt::format("#/$defs/{}.{}", field, type));
    json_.end_object();
    json_.end_object();
  }

  // Members of the schema object of one value.
  void type_body(const TypeInfo& type, const FieldOptions& options, bool nullable, const std::string& pointer) {
    switch (type.kind) {
      case TypeKind::any: return;
      case TypeKind::list:
        types({"array", "null"});
        json_.key("items");
        json_.begin_object();
        type_body(*type.element, options, false, pointer + "/items");
        json_.end_object();
        return;
      case TypeKind::string_map:
        types({"object", "null"});
        json_.key("additionalProperties");
        json_.begin_object();
        types({"string", "number", "boolean"});
        json_.end_object();
        return;
      case TypeKind::structure: structure(type.structure(), pointer); return;
      default: scalar(type, options, nullable); return;
    }
  }

  // A struct within itself refers to where it is first told, so the schema ends.
  void structure(const StructInfo& info, const std::string& pointer) {
    const auto outer = std::ranges::find(where_, &info, &std::pair<const StructInfo*, std::string>::first);
    if (outer != where_.end()) {
      json_.member("$ref", outer->second);
      return;
    }
    where_.emplace_back(&info, pointer);
    object_body({&info}, pointer, false);
    where_.pop_back();
  }

  void scalar(const TypeInfo& type, const FieldOptions& options, bool nullable) {
    if (type.kind == TypeKind::text && options.one_of.count == 0) {  // `token: 123` is a text for the reader
      if (nullable) types({"string", "number", "boolean", "null"});
      else types({"string", "number", "boolean"});
      return;
    }
    json_.key("anyOf");
    json_.begin_list();
    json_.begin_object();
    scalar_body(type, options);
    json_.end_object();
    if (type.kind == TypeKind::bytes || type.kind == TypeKind::duration) {
      json_.begin_object();
      json_.raw_member("const", "0");
      json_.end_object();
    }
    json_.begin_object();
    json_.member("$ref", "#/$defs/substituted");
    json_.end_object();
    if (nullable) typed("null");
    json_.end_list();
  }

  void scalar_body(const TypeInfo& type, const FieldOptions& options) {
    switch (type.kind) {
      case TypeKind::boolean: json_.member("type", "boolean"); return;
      case TypeKind::integer:
        json_.member("type", "integer");
        if (options.range) limits(*options.range, type.kind);
        else if (!type.negative) json_.raw_member("minimum", "0");
        return;
      case TypeKind::number:
        json_.member("type", "number");
        if (options.range) limits(*options.range, type.kind);
        return;
      case TypeKind::choice: choices({type.choices.begin(), type.choices.end()}); return;
      case TypeKind::text:
        choices({options.one_of.values.begin(),
                 options.one_of.values.begin() + static_cast<std::ptrdiff_t>(options.one_of.count)});
        return;
      default: json_.member("type", "string"); json_.member("pattern", pattern_of(type.kind));
    }
  }

  void limits(const Range& range, TypeKind kind) {
    json_.raw_member("minimum", range_text(range.min, kind));
    json_.raw_member("maximum", range_text(range.max, kind));
  }

  void choices(const std::vector<std::string_view>& names) {
    json_.key("enum");
    json_.texts(names);
  }

  void types(std::initializer_list<std::string_view> names) {
    json_.key("type");
    json_.texts({names.begin(), names.end()});
  }

  void typed(std::string_view name) {
    json_.begin_object();
    json_.member("type", name);
    json_.end_object();
  }

  void value(const Node& node, const TypeInfo& type) {
    const bool bare = type.kind == TypeKind::boolean || type.kind == TypeKind::integer || type.kind == TypeKind::number;
    if (node.kind == Node::Kind::list) {
      json_.begin_list();
      for (const Node& item : node.items) value(item, *type.element);
      json_.end_list();
    } else if (node.kind == Node::Kind::map) {
      json_.begin_object();
      for (const Node::Entry& entry : node.entries) json_.member(entry.key, entry.value.text);
      json_.end_object();
    } else if (node.kind == Node::Kind::null) {
      json_.raw("null");
    } else if (bare) {
      json_.raw(node.text);
    } else {
      json_.text(node.secret ? "***" : node.text);
    }
  }

  JsonWriter json_;
  const std::vector<TypedList>* lists_ = nullptr;
  std::vector<std::pair<const StructInfo*, std::string>> where_;  // structs being told, and their JSON pointers
};

}  // namespace

std::string struct_schema(const StructInfo& info, std::string_view title) {
  return SchemaWriter().whole(info, title, {}, false);
}

std::string pipeline_schema(const StructInfo& pipeline, const std::vector<TypedList>& lists, std::string_view title) {
  return SchemaWriter().whole(pipeline, title, lists, true);
}

}  // namespace penstock::config
