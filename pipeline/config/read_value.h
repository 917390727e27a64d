#pragma once
// Text to value for every type a setting may have; only fields.h calls these. Each returns false after noting a problem that
// says what was expected and what was got. The text of a secret node is never part of a message.

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/config/struct_info.h"
#include "pipeline/config/values.h"

namespace penstock::config {

using StringMap = std::vector<std::pair<std::string, std::string>>;

bool read_value(const Node& node, const Reading& reading, bool& out);
bool read_value(const Node& node, const Reading& reading, double& out);
bool read_value(const Node& node, const Reading& reading, std::string& out);
bool read_value(const Node& node, const Reading& reading, Bytes& out);
bool read_value(const Node& node, const Reading& reading, Duration& out);
bool read_value(const Node& node, const Reading& reading, Rate& out);
bool read_value(const Node& node, const Reading& reading, Secret& out);
bool read_value(const Node& node, const Reading& reading, Url& out);
bool read_value(const Node& node, const Reading& reading, ListenAddress& out);
bool read_value(const Node& node, const Reading& reading, StringMap& out);
bool read_value(const Node& node, const Reading& reading, Node& out);

struct IntegerLimits {
  std::int64_t min;
  std::uint64_t max;
};
// Two's complement in `out`: the caller casts it to its own type, which the limits fit.
bool read_integer(const Node& node, const Reading& reading, IntegerLimits limits, std::uint64_t& out);

// The index of the name in `names`.
bool read_choice(const Node& node, const Reading& reading, const std::vector<std::string>& names, std::size_t& out);
bool read_struct(const Node& node, const Reading& reading, const StructInfo& info, void* out);
// The elements, none for null; null pointer after a problem.
const std::vector<Node>* read_list(const Node& node, const Reading& reading);

// The other way: how YAML would write it. Secrets become `***`; what is empty and means "none" becomes null.
Node write_value(bool value);
Node write_value(double value);
Node write_value(const std::string& value);
Node write_value(Bytes value);
Node write_value(Duration value);
Node write_value(Rate value);
Node write_value(const Secret& value);
Node write_value(const Url& value);
Node write_value(const ListenAddress& value);
Node write_value(const StringMap& value);
Node write_value(const Node& value);
Node write_integer(std::int64_t value);
Node write_integer(std::uint64_t value);
Node write_name(std::string_view name);

}  // namespace penstock::config
