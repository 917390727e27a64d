#include "pipeline/config/read_value.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <ranges>
#include <span>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/struct_reader.h"

namespace penstock::config {
namespace {

// The message every wrong value gets: "expected an integer from 1 to 1000, got "many"", then what to do about it.
bool refuse(const Node& node, const Reading& reading, TypeKind kind, std::string_view advice = {}) {
  return reading.problem(node, fmt::format("expected {}, got {}{}{}", describe(kind, reading.options.range), describe(node),
                                           advice.empty() ? "" : "; ", advice));
}

// A scalar, or null after a problem. Where quotes would change what is meant (`"5"` for 5) they are refused, unless the text
// was substituted: `"${env:N}"` may need them.
const std::string* scalar(const Node& node, const Reading& reading, TypeKind kind, bool quotes_allowed = true) {
  if (node.kind == Node::Kind::scalar && !node.broken) {
    if (!node.quoted || quotes_allowed || node.secret) return &node.text;
    refuse(node, reading, kind, "remove the quotes");
    return nullptr;
  }
  refuse(node, reading, kind, node.kind == Node::Kind::null ? "write a value, or remove the line to get the default" : "");
  return nullptr;
}

bool in_range(double value, const Reading& reading) {
  const auto& range = reading.options.range;
  return !range || (value >= range->min && value <= range->max);
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "64MiB" → 64 and "MiB"; one space between them is allowed.
struct Quantity {
  std::uint64_t count;
  std::string_view unit;
};
std::optional<Quantity> quantity(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = number<std::uint64_t>(text.substr(0, digits));
  if (!count) return std::nullopt;
  std::string_view unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  return Quantity{*count, unit};
}

using Unit = std::pair<std::string_view, std::uint64_t>;

constexpr Unit kByteUnits[] = {
    {"B", 1},     {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20},   {"GiB", 1ULL << 30},      {"TiB", 1ULL << 40},
    {"KB", 1000}, {"MB", 1'000'000},   {"GB", 1'000'000'000}, {"TB", 1'000'000'000'000}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

// Reads count × unit into `out`, up to `max`.
bool read_quantity(const Node& node, const Reading& reading, TypeKind kind, std::span<const Unit> units, std::uint64_t max,
                   std::uint64_t& out) {
  const std::string* text = scalar(node, reading, kind);
  if (text == nullptr) return false;
  const auto parsed = quantity(*text);
  if (!parsed) return refuse(node, reading, kind);
  std::uint64_t size = 1;
  if (parsed->unit.empty()) {
    if (parsed->count != 0) {
      const auto advice = node.secret ? std::string("add a unit")
                                      : fmt::format("add a unit: {}{}", parsed->count, kind == TypeKind::bytes ? "B" : "s");
      return refuse(node, reading, kind, advice);
    }
  } else {
    const auto unit = std::ranges::find(units, parsed->unit, &Unit::first);
    if (unit == units.end()) return refuse(node, reading, kind);
    size = unit->second;
  }
  if (parsed->count > max / size) return refuse(node, reading, kind, "that is too large");
  out = parsed->count * size;
  return in_range(static_cast<double>(out), reading) || refuse(node, reading, kind);
}

std::optional<int> port_number(std::string_view text) {
  const auto port = number<int>(text);
  if (!port || *port < 0 || *port > 65535 || text.starts_with('-')) return std::nullopt;
  return port;
}

// Whether "host", "host:port", "[::1]:port" could be one; what DNS says of it is another matter.
bool is_host(std::string_view host) {
  std::string_view port;
  if (host.starts_with('[')) {
    const auto close = host.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    port = host.substr(close + 1);
    host = host.substr(1, close - 1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
  } else {
    const auto colon = std::min(host.find(':'), host.size());
    port = host.substr(colon);
    host = host.substr(0, colon);
    const auto allowed = [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte >= 0x80 || std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_';
    };
    if (host.empty() || !std::ranges::all_of(host, allowed)) return false;
  }
  if (port.empty()) return true;
  const auto parsed = port.starts_with(':') ? port_number(port.substr(1)) : std::nullopt;
  return parsed && *parsed > 0;
}

bool any_broken(const Node& node) {
  return node.broken || std::ranges::any_of(node.items, any_broken) ||
         std::ranges::any_of(node.entries, [](const Node::Entry& entry) { return any_broken(entry.value); });
}

}  // namespace

bool Reading::problem(const Node& at, std::string message) const {
  if (!at.broken) problems.push_back({at.at, path, std::move(message)});
  return false;
}

bool read_value(const Node& node, const Reading& reading, bool& out) {
  const std::string* text = scalar(node, reading, TypeKind::boolean, false);
  if (text == nullptr) return false;
  if (*text != "true" && *text != "false") return refuse(node, reading, TypeKind::boolean);
  out = *text == "true";
  return true;
}

bool read_integer(const Node& node, const Reading& reading, IntegerLimits limits, std::uint64_t& out) {
  const std::string* text = scalar(node, reading, TypeKind::integer, false);
  if (text == nullptr) return false;
  bool fits = false;
  double value = 0;
  if (const auto low = number<std::int64_t>(*text); low && *low < 0) {
    fits = *low >= limits.min;
    out = static_cast<std::uint64_t>(*low);
    value = static_cast<double>(*low);
  } else if (const auto high = number<std::uint64_t>(*text)) {
    fits = *high <= limits.max;
    out = *high;
    value = static_cast<double>(*high);
  } else {
    return refuse(node, reading, TypeKind::integer);
  }
  if (!in_range(value, reading)) return refuse(node, reading, TypeKind::integer);
  if (fits) return true;
  return reading.problem(node,
                         fmt::format("expected an integer from {} to {}, got {}", limits.min, limits.max, describe(node)));
}

bool read_value(const Node& node, const Reading& reading, double& out) {
  const std::string* text = scalar(node, reading, TypeKind::number, false);
  if (text == nullptr) return false;
  const auto value = number<double>(*text);
  if (!value || !std::isfinite(*value) || !in_range(*value, reading)) return refuse(node, reading, TypeKind::number);
  out = *value;
  return true;
}

bool read_value(const Node& node, const Reading& reading, std::string& out) {
  const OneOf& one_of = reading.options.one_of;
  if (one_of.count > 0) {
    const std::vector<std::string> names(one_of.values.begin(),
                                         one_of.values.begin() + static_cast<std::ptrdiff_t>(one_of.count));
    std::size_t index = 0;
    if (!read_choice(node, reading, names, index)) return false;
    out = names[index];
    return true;
  }
  if (node.kind == Node::Kind::null)
    return refuse(node, reading, TypeKind::text, "write \"\" for an empty text, or remove the line to get the default");
  const std::string* text = scalar(node, reading, TypeKind::text);
  if (text == nullptr) return false;
  out = *text;
  return true;
}

bool read_value(const Node& node, const Reading& reading, Bytes& out) {
  return read_quantity(node, reading, TypeKind::bytes, kByteUnits, std::numeric_limits<std::uint64_t>::max(), out.count);
}

bool read_value(const Node& node, const Reading& reading, Duration& out) {
  std::uint64_t ms = 0;
  // What fits a steady clock in nanoseconds, so that no deadline overflows: 292 years, halved.
  constexpr std::uint64_t kLongest = 4'611'686'018'427;
  if (!read_quantity(node, reading, TypeKind::duration, kTimeUnits, kLongest, ms)) return false;
  out = Duration(static_cast<std::int64_t>(ms));
  return true;
}

bool read_value(const Node& node, const Reading& reading, Rate& out) {
  const std::string* text = scalar(node, reading, TypeKind::rate);
  if (text == nullptr) return false;
  const auto slash = text->find('/');
  const auto count = number<double>(std::string_view(*text).substr(0, slash));
  if (!count || !std::isfinite(*count) || *count < 0) return refuse(node, reading, TypeKind::rate);
  if (slash == std::string::npos) return refuse(node, reading, TypeKind::rate, "say per what: /s, /m, /h or /d");
  const auto unit = std::ranges::find(kTimeUnits, std::string_view(*text).substr(slash + 1), &Unit::first);
  if (unit == std::end(kTimeUnits) || unit->first == "ms") return refuse(node, reading, TypeKind::rate);
  const double per_second = *count * 1000 / static_cast<double>(unit->second);
  if (!in_range(per_second, reading)) return refuse(node, reading, TypeKind::rate);
  out.per_second = per_second;
  return true;
}

bool read_value(const Node& node, const Reading& reading, Secret& out) {
  const std::string* text = scalar(node, reading, TypeKind::secret);
  if (text == nullptr) return false;
  if (!node.secret && !text->empty())
    return reading.problem(node, "a secret must not stand in the file: write ${env:NAME} or ${file:path}");
  out = Secret(*text);
  return true;
}

// A wrong URL as it may be told: a password may stand in it, and path and query may be a key in themselves.
std::string without_secrets(const Node& node) {
  const std::string& text = node.text;
  const auto scheme = text.find("://");
  const auto host_end = text.find_first_of("/?#", scheme == std::string::npos ? 0 : scheme + 3);
  if (node.secret || text.contains('@')) return "***";
  if (host_end == std::string::npos || host_end + 1 == text.size()) return describe(node);
  Node told = node;
  told.text = text.substr(0, host_end) + "/…";
  return describe(told);
}

bool read_value(const Node& node, const Reading& reading, Url& out) {
  const std::string* text = scalar(node, reading, TypeKind::url);
  if (text == nullptr) return false;
  const auto printable_byte = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; };
  const bool scheme = text->starts_with("http://") || text->starts_with("https://");
  if (!scheme || !std::ranges::all_of(*text, printable_byte) || !is_host(Url(*text).host())) {
    return reading.problem(node, fmt::format("expected {}, got {}", describe(TypeKind::url, {}), without_secrets(node)));
  }
  out = Url(*text);
  return true;
}

bool read_value(const Node& node, const Reading& reading, ListenAddress& out) {
  const std::string* text = scalar(node, reading, TypeKind::listen_address);
  if (text == nullptr) return false;
  const std::string_view whole = *text;
  if (whole.starts_with(':'))
    return refuse(node, reading, TypeKind::listen_address, "write 0.0.0.0 before the port to listen on every interface");
  const auto colon = whole.rfind(':');
  if (colon == std::string_view::npos) return refuse(node, reading, TypeKind::listen_address);
  std::string_view host = whole.substr(0, colon);
  const auto port = port_number(whole.substr(colon + 1));
  if (!port || !is_host(host) || (!host.starts_with('[') && host.contains(':')))
    return refuse(node, reading, TypeKind::listen_address);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  out = {std::string(host), *port};
  return true;
}

bool read_value(const Node& node, const Reading& reading, StringMap& out) {
  if (node.broken) return false;
  if (node.kind != Node::Kind::map && node.kind != Node::Kind::null) return refuse(node, reading, TypeKind::string_map);
  out.clear();
  bool ok = true;
  for (const Node::Entry& entry : node.entries) {
    const FieldOptions plain;
    const Reading inner{fmt::format("{}.{}", reading.path, printable(entry.key)), reading.problems, plain};
    std::string text;
    ok = read_value(entry.value, inner, text) && ok;
    out.emplace_back(entry.key, std::move(text));
  }
  return ok;
}

bool read_value(const Node& node, const Reading&, Node& out) {
  out = node;
  return !any_broken(node);
}

bool read_choice(const Node& node, const Reading& reading, const std::vector<std::string>& names, std::size_t& out) {
  const std::string expected =
      names.size() == 1 ? fmt::format("'{}'", names[0]) : fmt::format("one of {}", fmt::join(names, ", "));
  if (node.broken || node.kind != Node::Kind::scalar)
    return reading.problem(node, fmt::format("expected {}, got {}", expected, describe(node)));
  const auto found = std::ranges::find(names, node.text);
  if (found != names.end()) {
    out = static_cast<std::size_t>(found - names.begin());
    return true;
  }
  std::string message = fmt::format("expected {}, got {}", expected, describe(node));
  const auto meant = node.secret ? std::string_view() : closest(node.text, {names.begin(), names.end()});
  if (!meant.empty()) message += fmt::format("; did you mean '{}'?", meant);
  return reading.problem(node, std::move(message));
}

bool read_struct(const Node& node, const Reading& reading, const StructInfo& info, void* out) {
  StructReader reader(node, reading.path, reading.problems);
  const bool read = reader.read_fields(info, out);
  return reader.finish() && read;
}

const std::vector<Node>* read_list(const Node& node, const Reading& reading) {
  if (node.broken) return nullptr;
  if (node.kind == Node::Kind::list || node.kind == Node::Kind::null) return &node.items;
  const auto advice = node.kind != Node::Kind::scalar ? std::string()
                      : node.secret                   ? std::string("put it in brackets: [ ]")
                                                      : fmt::format("put it in brackets: [{}]", printable(node.text));
  refuse(node, reading, TypeKind::list, advice);
  return nullptr;
}

}  // namespace penstock::config
