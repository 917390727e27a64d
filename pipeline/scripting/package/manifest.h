#pragma once
// An app's app.yaml: what it is, the settings it takes, the limits it needs. Read without running any Lua.
//
//   name: hash_fields
//   version: 1.0.0
//   summary: Replaces values by their SHA-256.
//   settings:
//     fields: { type: list, required: true, doc: "Dotted paths, such as properties.email." }
//     salt:   { type: string, secret: true, default: "", doc: "Put before each value." }

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/config/fields.h"
#include "pipeline/scripting/vm/limits.h"

namespace penstock::scripting {

enum class AppKind : std::uint8_t { transform, destination, source };
enum class SettingType : std::uint8_t { string, integer, number, boolean, list, map, any };

}  // namespace penstock::scripting

template <>
struct penstock::config::enum_names<penstock::scripting::AppKind> {
  using Kind = penstock::scripting::AppKind;
  static constexpr std::array names{std::pair{"transform", Kind::transform}, std::pair{"destination", Kind::destination},
                                    std::pair{"source", Kind::source}};
};

template <>
struct penstock::config::enum_names<penstock::scripting::SettingType> {
  using Type = penstock::scripting::SettingType;
  static constexpr std::array names{std::pair{"string", Type::string}, std::pair{"integer", Type::integer},
                                    std::pair{"number", Type::number}, std::pair{"boolean", Type::boolean},
                                    std::pair{"list", Type::list},     std::pair{"map", Type::map},
                                    std::pair{"any", Type::any}};
};

namespace penstock::scripting {

// The same names in app.yaml and at an entry of a chain.
struct LimitSettings {
  std::optional<Bytes> memory;
  std::optional<std::int64_t> instructions;
  std::optional<Duration> time;

  static constexpr auto fields() {
    using config::field;
    using config::range;
    return std::tuple{
        field("memory", &LimitSettings::memory, "Of everything the app holds at once; 64MiB when not set.",
              range(1_MiB, 4_GiB)),
        field("instructions", &LimitSettings::instructions, "Lua instructions for one event; 8000000 when not set.",
              range(std::int64_t{1000}, std::int64_t{1} << 40)),
        field("time", &LimitSettings::time, "Wall clock for one event; 1s when not set.",
              range(Duration{1}, Duration{60'000}))};
  }

  // `limits`, with what is set here in its place.
  Limits over(Limits limits) const;
};

// What an app may use beyond the event in its hand.
struct Permissions {
  bool state = false;

  static constexpr auto fields() {
    return std::tuple{
        config::field("state", &Permissions::state, "Whether it may use app.state: what it stores grows the data folder.")};
  }
};

struct SettingInfo {
  std::string name;
  SettingType type = SettingType::any;
  config::Node initial;
  bool required = false;
  bool secret = false;
  std::vector<std::string> choices;
  std::string doc;

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    return std::tuple{
        field("type", &SettingInfo::type, "What the value must be.", Need::required),
        field("default", &SettingInfo::initial, "The value when none is given; without it the setting is nil."),
        field("required", &SettingInfo::required, "Whether a value must be given."),
        field("secret", &SettingInfo::secret, "Whether the value is never printed."),
        field("choices", &SettingInfo::choices, "The texts it may be."),
        field("doc", &SettingInfo::doc, "One sentence for whoever sets it.")};
  }
};

struct Manifest {
  std::string name;
  std::string version;
  AppKind kind = AppKind::transform;
  std::string summary;
  config::Node declared_settings;
  LimitSettings limits;
  Permissions permissions;

  std::vector<SettingInfo> settings;  // what `declared_settings` says, in the order of the file

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    return std::tuple{field("name", &Manifest::name, "The app's name: that of its folder.", Need::required),
                      field("version", &Manifest::version, "Of the app, for people.", Need::required),
                      field("kind", &Manifest::kind, "What it is."),
                      field("summary", &Manifest::summary, "One sentence.", Need::required),
                      field("settings", &Manifest::declared_settings, "By name, what each setting is."),
                      field("limits", &Manifest::limits, "What the app needs beyond the defaults."),
                      field("permissions", &Manifest::permissions, "What it may use beyond the event in its hand.")};
  }

  const SettingInfo* find(std::string_view setting) const;

  // Reads `<folder>/app.yaml`. Nothing when there is a problem, and then it is noted.
  static std::optional<Manifest> load(const std::string& folder, config::Problems& problems);
};

// Checks what `with:` gives an app (null: nothing) against its manifest: unknown settings, wrong types, choices, missing
// ones. `path` is the entry's, for messages: "apps[1] (hash_fields)". Pure. True when there is no problem.
bool check_settings(const Manifest& manifest, const config::Node& with, const std::string& path, config::Problems& problems);

}  // namespace penstock::scripting
