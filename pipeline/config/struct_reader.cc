#include "pipeline/config/struct_reader.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "pipeline/config/describe.h"

namespace penstock::config {
namespace {

constexpr std::size_t kUnknownShown = 20;  // of one map

// Edits (insert, delete, replace, swap of neighbours) between two short texts.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string join(const std::string& path, std::string_view field) {
  return path.empty() ? std::string(field) : fmt::format("{}.{}", path, field);
}

}  // namespace

const FieldInfo* StructInfo::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &FieldInfo::name);
  return found == fields.end() ? nullptr : &*found;
}

std::string_view closest(std::string_view wrong, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kLongestCompared = 64;
  if (wrong.size() > kLongestCompared) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, wrong.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(wrong, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string unknown_name(std::string_view what, std::string_view got, const std::vector<std::string_view>& known) {
  std::string said = fmt::format("unknown {} '{}'", what, printable(got));
  if (const std::string_view meant = closest(got, known); !meant.empty())
    return said + fmt::format(", did you mean '{}'?", meant);
  constexpr std::size_t kListed = 12;
  if (known.empty() || known.size() > kListed) return said;
  return said + fmt::format("; known: {}", fmt::join(known, ", "));
}

std::string element_path(std::string_view list, std::size_t index, const Node& element) {
  std::string path = fmt::format("{}[{}]", list, index);
  for (const char* key : {"name", "use"}) {
    const Node* label = element.find(key);
    if (label != nullptr && label->kind == Node::Kind::scalar && !label->secret && !label->text.empty())
      return path + fmt::format(" ({})", printable(label->text));
  }
  return path;
}

StructReader::StructReader(const Node& node, std::string path, Problems& problems)
    : node_(node), path_(std::move(path)), problems_(problems) {
  // A map with every line commented out is null, and means the defaults.
  is_map_ = node.kind == Node::Kind::map || node.kind == Node::Kind::null;
  if (node.broken) ok_ = false;
  if (!is_map_ && !node.broken) problem("", fmt::format("expected a map of settings, got {}", describe(node)));
}

bool StructReader::read_fields(const StructInfo& info, void* object) {
  if (!is_map_) return false;
  bool ok = true;
  for (const FieldInfo& field : info.fields) {
    allow(field.name);
    if (const Node* value = node_.find(field.name); value != nullptr) {
      const Reading reading{join(path_, field.name), problems_, field.options};
      ok = field.read(*value, reading, static_cast<char*>(object) + field.offset) && ok;
    } else if (field.options.need == Need::required) {
      problem("", fmt::format("missing required field '{}'", field.name));
      ok = false;
    }
  }
  ok_ = ok_ && ok;
  if (!ok || info.check == nullptr) return ok;
  const std::size_t problems_before = problems_.size();
  info.check(object, *this);
  return problems_.size() == problems_before;
}

void StructReader::problem(std::string_view field, std::string message) {
  ok_ = false;
  const Node* value = field.empty() ? nullptr : node_.find(field);
  problems_.push_back(
      {value != nullptr ? value->at : node_.at, field.empty() ? path_ : join(path_, field), std::move(message)});
}

void StructReader::problem_in(std::string_view field, std::string_view key, std::string message) {
  const Node* map = node_.find(field);
  if (map == nullptr) return problem(field, std::move(message));
  const auto entry = std::ranges::find_if(map->entries, [&](const Node::Entry& each) { return each.key == key; });
  ok_ = false;
  problems_.push_back({entry == map->entries.end() ? map->at : entry->key_at, join(path_, field), std::move(message)});
}

void StructReader::allow(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
}

bool StructReader::finish() {
  std::size_t unknown = 0;
  for (const Node::Entry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    ok_ = false;
    if (++unknown > kUnknownShown) continue;
    problems_.push_back({entry.key_at, path_, unknown_name("field", entry.key, known_)});
  }
  if (unknown > kUnknownShown) problem("", fmt::format("{} more unknown fields", unknown - kUnknownShown));
  return ok_;
}

}  // namespace penstock::config
