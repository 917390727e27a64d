#pragma once
// One declaration per component: the type of a setting comes from the member, its default from the member's initialiser, its
// name and documentation from its line. Parsing, errors, JSON Schema and reference follow from it.
//
//   struct Config {
//     config::Url url;
//     int in_flight_max = 8;
//     static constexpr auto fields() {
//       using config::field; using config::Need; using config::range;
//       return std::tuple{field("url", &Config::url, "Where to POST each batch.", Need::required),
//                         field("in_flight_max", &Config::in_flight_max, "Concurrent requests.", range(1, 1000))};
//     }
//     // Optional; called after all fields were read without a problem.
//     void check(config::StructReader& reader) const { if (…) reader.problem("url", "…"); }
//   };
//
// Members may be: bool, any integer, double, std::string, Bytes, Duration, Rate, Secret, Url, ListenAddress, an enum with
// enum_names, StringMap, a struct with fields(), std::optional and std::vector of these, and Node (kept as it stands).

#include <array>
#include <chrono>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "pipeline/config/read_value.h"
#include "pipeline/config/struct_info.h"
#include "pipeline/config/struct_reader.h"

namespace penstock::config {

// Specialise it for an enum:
//   template <> struct config::enum_names<Format> { static constexpr std::array names{std::pair{"ndjson", Format::ndjson}}; };
template <class T>
struct enum_names;

// The name of an enum's value, as the YAML writes it; empty for a value that has none.
template <class T>
constexpr std::string_view name_of(T value) {
  for (const auto& [name, candidate] : enum_names<T>::names)
    if (candidate == value) return name;
  return {};
}

template <class T>
  requires std::is_arithmetic_v<T>
constexpr Range range(T min, T max) {
  return {static_cast<double>(min), static_cast<double>(max)};
}
constexpr Range range(Bytes min, Bytes max) { return {static_cast<double>(min.count), static_cast<double>(max.count)}; }
constexpr Range range(Duration min, Duration max) {
  return {static_cast<double>(min.count()), static_cast<double>(max.count())};
}
constexpr Range range(Rate min, Rate max) { return {min.per_second, max.per_second}; }

template <class... Texts>
constexpr OneOf one_of(Texts... texts) {
  static_assert(sizeof...(Texts) <= std::tuple_size_v<decltype(OneOf::values)>);
  return OneOf{{std::string_view(texts)...}, sizeof...(Texts)};
}

template <class Owner, class Member>
struct Field {
  std::string_view name;
  Member Owner::* member;
  std::string_view doc;
  FieldOptions options;
};

// Options, in any order: Need::required, range(min, max), one_of("a", "b").
template <class Owner, class Member, class... Options>
constexpr Field<Owner, Member> field(std::string_view name, Member Owner::* member, std::string_view doc,
                                     Options... options) {
  Field<Owner, Member> made{name, member, doc, {}};
  (made.options.set(options), ...);
  return made;
}

template <class T>
concept HasFields = requires { T::fields(); };

namespace detail {

template <class T>
struct Element {};
template <class T>
struct Element<std::vector<T>> {
  using Type = T;
};
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
concept List = requires { typename Element<T>::Type; } && !std::same_as<T, StringMap>;
template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

template <class T>
std::vector<std::string> choice_names() {
  std::vector<std::string> names;
  for (const auto& [name, value] : enum_names<T>::names) names.emplace_back(name);
  return names;
}

template <class T>
constexpr TypeKind kind_of() {
  if constexpr (std::same_as<T, bool>) return TypeKind::boolean;
  else if constexpr (Integer<T>) return TypeKind::integer;
  else if constexpr (std::same_as<T, double>) return TypeKind::number;
  else if constexpr (std::same_as<T, std::string>) return TypeKind::text;
  else if constexpr (std::same_as<T, Bytes>) return TypeKind::bytes;
  else if constexpr (std::same_as<T, Duration>) return TypeKind::duration;
  else if constexpr (std::same_as<T, Rate>) return TypeKind::rate;
  else if constexpr (std::same_as<T, Secret>) return TypeKind::secret;
  else if constexpr (std::same_as<T, Url>) return TypeKind::url;
  else if constexpr (std::same_as<T, ListenAddress>) return TypeKind::listen_address;
  else if constexpr (std::same_as<T, StringMap>) return TypeKind::string_map;
  else if constexpr (std::same_as<T, Node>) return TypeKind::any;
  else if constexpr (std::is_enum_v<T>) return TypeKind::choice;
  else if constexpr (List<T>) return TypeKind::list;
  else {
    static_assert(HasFields<T>, "a setting of a type that fields.h does not list");
    return TypeKind::structure;
  }
}

template <class T>
const TypeInfo& type_info() {
  if constexpr (kIsOptional<T>) {
    return type_info<typename T::value_type>();
  } else {
    static const TypeInfo info = [] {
      TypeInfo made;
      made.kind = kind_of<T>();
      if constexpr (Integer<T>) made.negative = std::is_signed_v<T>;
      if constexpr (std::is_enum_v<T>) made.choices = choice_names<T>();
      if constexpr (List<T>) made.element = &type_info<typename Element<T>::Type>();
      if constexpr (HasFields<T>) made.structure = &struct_info<T>;
      return made;
    }();
    return info;
  }
}

template <class T>
bool read_as(const Node& node, const Reading& reading, void* member) {
  T& out = *static_cast<T*>(member);
  if constexpr (kIsOptional<T>) {
    if (node.kind == Node::Kind::null) {
      out.reset();
      return true;
    }
    return read_as<typename T::value_type>(node, reading, &out.emplace());
  } else if constexpr (List<T>) {
    using Item = typename Element<T>::Type;
    static_assert(!std::same_as<Item, bool>, "a list of bool has no elements to point to");
    const std::vector<Node>* items = read_list(node, reading);
    if (items == nullptr) return false;
    out.clear();
    bool ok = true;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const Reading inner{element_path(reading.path, i, (*items)[i]), reading.problems, reading.options};
      ok = read_as<Item>((*items)[i], inner, &out.emplace_back()) && ok;
    }
    return ok;
  } else if constexpr (Integer<T>) {
    using Limits = std::numeric_limits<T>;
    std::uint64_t bits = 0;
    if (!read_integer(node, reading, {static_cast<std::int64_t>(Limits::min()), static_cast<std::uint64_t>(Limits::max())},
                      bits))
      return false;
    out = static_cast<T>(bits);
    return true;
  } else if constexpr (std::is_enum_v<T>) {
    std::size_t index = 0;
    if (!read_choice(node, reading, type_info<T>().choices, index)) return false;
    out = enum_names<T>::names[index].second;
    return true;
  } else if constexpr (HasFields<T>) {
    return read_struct(node, reading, struct_info<T>(), member);
  } else {
    return read_value(node, reading, out);
  }
}

// Defaults of a nested struct are shown at its own fields, never twice.
template <class T>
Node write_as(const T& value) {
  if constexpr (kIsOptional<T>) {
    return value ? write_as(*value) : Node{};
  } else if constexpr (List<T>) {
    Node list;
    list.kind = Node::Kind::list;
    for (const auto& item : value) list.items.push_back(write_as(item));
    return list;
  } else if constexpr (Integer<T>) {
    if constexpr (std::is_signed_v<T>) return write_integer(static_cast<std::int64_t>(value));
    else return write_integer(static_cast<std::uint64_t>(value));
  } else if constexpr (std::is_enum_v<T>) {
    return write_name(name_of(value));
  } else if constexpr (HasFields<T>) {
    return Node{};
  } else {
    return write_value(value);
  }
}

template <class T, class Owner, class Member>
FieldInfo field_info(const T& initial, const Field<Owner, Member>& declared) {
  const auto* start = reinterpret_cast<const char*>(&initial);
  const auto* member = reinterpret_cast<const char*>(&(initial.*(declared.member)));
  FieldInfo info;
  info.name = declared.name;
  info.doc = declared.doc;
  info.options = declared.options;
  info.type = &type_info<Member>();
  info.nullable = kIsOptional<Member>;
  if (declared.options.need == Need::optional) info.initial = write_as(initial.*(declared.member));
  info.offset = static_cast<std::size_t>(member - start);
  info.read = &read_as<Member>;
  return info;
}

}  // namespace detail

// The table of T, made at the first call.
template <class T>
const StructInfo& struct_info() {
  static const StructInfo info = [] {
    StructInfo made;
    const T initial{};
    std::apply([&](const auto&... declared) { (made.fields.push_back(detail::field_info(initial, declared)), ...); },
               T::fields());
    if constexpr (requires(const T& object, StructReader& reader) { object.check(reader); })
      made.check = [](const void* object, StructReader& reader) { static_cast<const T*>(object)->check(reader); };
    return made;
  }();
  return info;
}

}  // namespace penstock::config
