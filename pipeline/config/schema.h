#pragma once
// JSON Schema 2020-12 for editors, made from the same tables as the reader. It never refuses what the reader accepts; what a
// schema cannot say (the range of a size, checks across fields) is in the description. The text is the same for the same
// tables, so a committed copy can be compared.

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/struct_info.h"

namespace penstock::config {

// What `type: <name>` adds to an entry of a list.
struct SchemaVariant {
  std::string_view type;
  std::string_view summary;
  const StructInfo* settings;
};

// A field of the pipeline that holds a list of entries, each with `common` fields, one of them `type`.
struct TypedList {
  std::string_view field;
  const StructInfo* common;
  std::vector<SchemaVariant> variants;
};

// The schema of one struct on its own.
std::string struct_schema(const StructInfo& info, std::string_view title);

// The schema of a whole configuration file, `include:` among its keys.
std::string pipeline_schema(const StructInfo& pipeline, const std::vector<TypedList>& lists, std::string_view title);

}  // namespace penstock::config
