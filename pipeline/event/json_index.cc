// Where the members of an object are: one walk over text that is known to be valid, checked all the same against running
// off its end, because a disk may have damaged it since.

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "pipeline/base/checksum.h"
#include "pipeline/base/same_text.h"
#include "pipeline/event/json.h"
#include "pipeline/event/json_grammar.h"
#include "pipeline/event/json_scan.h"
#include "pipeline/event/json_structure.h"

namespace penstock::json {
namespace {

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::corrupt, "stored JSON is damaged: " + std::string(what));
}

// Steps through the members of one object. `next` is false at its end and at damage; `intact` tells which.
class MemberCursor {
 public:
  explicit MemberCursor(std::string_view object) : text_(object) {
    if (!take('{')) return;
    at_ = skip_space(text_, at_);
    intact_ = true;
    if (take('}')) finish();
  }

  bool next(Member& member) {
    if (!intact_ || ended_) return false;
    intact_ = read(member);
    return intact_;
  }

  bool intact() const { return intact_; }

 private:
  bool read(Member& member) {
    if (!take('"')) return false;
    const auto key_end = find_string_end(text_, at_);
    if (key_end.quote == kNotFound) return false;
    member.key = text_.substr(at_, key_end.quote - at_);
    member.key_escaped = key_end.escaped;
    at_ = skip_space(text_, key_end.quote + 1);
    if (!take(':')) return false;
    at_ = skip_space(text_, at_);
    const auto value_end = find_value_end(text_, at_);
    if (value_end == kNotFound) return false;
    member.value = text_.substr(at_, value_end - at_);
    at_ = skip_space(text_, value_end);
    if (take(',')) {
      at_ = skip_space(text_, at_);
      return at_ < text_.size() && text_[at_] == '"';
    }
    if (!take('}')) return false;
    finish();
    return intact_;
  }

  void finish() {
    ended_ = true;
    intact_ = at_ == text_.size();
  }

  bool take(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool intact_ = false;
  bool ended_ = false;
};

bool same_key(const Member& a, const Member& b, std::string& scratch_a, std::string& scratch_b) {
  if (!a.key_escaped && !b.key_escaped) return a.key == b.key;
  return unescaped_key(a, scratch_a) == unescaped_key(b, scratch_b);
}

// What an escape of six bytes says is at least one: a key much longer than the text that is looked for is not unescaped.
constexpr std::size_t kEscapedBytesMax = 6;
bool may_be(const Member& member, std::string_view key) { return member.key.size() <= kEscapedBytesMax * key.size(); }

// Up to this many members, a key that may be a repeat is compared with all before it; beyond, the keys are sorted, so that
// no document makes this quadratic. Once a key is escaped hashes are compared, so that each is unescaped once: few may be long.
// The hashes are not known to senders, who could make keys whose hashes are the same.
constexpr std::size_t kFew = 128;

// Marks repeats by an empty value, which no real member has, and gives the first the value of the last.
class Repeats {
 public:
  std::uint32_t collapse(std::vector<Member>& members) {
    if (members.size() <= kFew) few(members);
    else many(members);
    if (count_ > 0) std::erase_if(members, [](const Member& member) { return member.value.empty(); });
    return count_;
  }

 private:
  // Says of nearly every key that it is new, without comparing it with anything.
  using Filter = std::array<std::uint64_t, 8>;

  void few(std::vector<Member>& members) {
    Filter seen{};
    for (std::size_t i = 0; i < members.size(); ++i) {
      const Member& member = members[i];
      if (member.key_escaped) return few_escaped(members, i);
      if (!maybe_seen(seen, member.key)) continue;
      for (std::size_t j = 0; j < i; ++j) {
        if (members[j].value.empty() || members[j].key != member.key) continue;
        repeat(members[j], members[i]);
        break;
      }
    }
  }

  // From the member on where none before it is escaped, nor repeats another that is still there.
  void few_escaped(std::vector<Member>& members, std::size_t from) {
    std::array<std::uint64_t, kFew> hashes;
    for (std::size_t i = 0; i < members.size(); ++i) {
      hashes[i] = hash_of_process(unescaped_key(members[i], scratch_a_));
      if (i < from) continue;
      for (std::size_t j = 0; j < i; ++j) {
        if (hashes[j] != hashes[i] || members[j].value.empty()) continue;
        if (!same_key(members[j], members[i], scratch_a_, scratch_b_)) continue;
        repeat(members[j], members[i]);
        break;
      }
    }
  }

  static bool maybe_seen(Filter& seen, std::string_view key) {
    std::uint64_t hash = key.size();
    if (!key.empty()) {
      const auto byte = [&](std::size_t at) { return static_cast<std::uint64_t>(static_cast<unsigned char>(key[at])); };
      hash |= byte(0) << 32 | byte(key.size() / 2) << 40 | byte(key.size() - 1) << 48;
    }
    hash *= 0x9E3779B97F4A7C15ULL;
    const auto word = static_cast<std::size_t>(hash >> 61);
    const std::uint64_t bit = std::uint64_t{1} << ((hash >> 55) & 63);
    const bool before = (seen[word] & bit) != 0;
    seen[word] |= bit;
    return before;
  }

  struct Key {
    std::uint64_t hash;
    std::size_t place;
  };

  void many(std::vector<Member>& members) {
    std::vector<Key> keys;
    keys.reserve(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      keys.push_back({hash_of_process(unescaped_key(members[i], scratch_a_)), i});
    }
    std::ranges::sort(keys, [&](const Key& a, const Key& b) {
      if (a.hash != b.hash) return a.hash < b.hash;
      const int order = unescaped_key(members[a.place], scratch_a_).compare(unescaped_key(members[b.place], scratch_b_));
      return order != 0 ? order < 0 : a.place < b.place;
    });
    for (std::size_t first = 0, i = 1; i < keys.size(); ++i) {
      const bool same = keys[i].hash == keys[first].hash &&
                        same_key(members[keys[first].place], members[keys[i].place], scratch_a_, scratch_b_);
      if (same) repeat(members[keys[first].place], members[keys[i].place]);
      else first = i;
    }
  }

  void repeat(Member& first, Member& again) {
    first.value = again.value;
    again.value = {};
    ++count_;
  }

  std::string scratch_a_;
  std::string scratch_b_;
  std::uint32_t count_ = 0;
};

std::optional<std::string_view> find_nested(std::string_view object, std::string_view key, std::string& scratch) {
  MemberCursor members(object);
  std::optional<std::string_view> found;
  for (Member member; members.next(member);) {
    if (may_be(member, key) && unescaped_key(member, scratch) == key) found = member.value;
  }
  return found;
}

}  // namespace

Kind kind_of(std::string_view raw) {
  switch (raw.empty() ? 'n' : raw.front()) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::string;
    case 't':
    case 'f': return Kind::boolean;
    case 'n': return Kind::null;
    default: return Kind::number;
  }
}

const Member* ObjectIndex::find(std::string_view key) const {
  bool any_escaped = false;
  for (const Member& member : members_) {
    if (member.key_escaped) any_escaped = true;
    else if (same_text(member.key, key)) return &member;
  }
  if (!any_escaped) return nullptr;
  std::string scratch;
  for (const Member& member : members_) {
    if (member.key_escaped && may_be(member, key) && unescaped_key(member, scratch) == key) return &member;
  }
  return nullptr;
}

Result<void> ObjectIndex::read(std::string_view object, std::uint32_t& repeats) {
  text_ = object;
  members_.clear();
  places_.clear();
  MemberCursor cursor(object);
  // Read in place: copying a member just written costs more than reading it.
  while (cursor.next(members_.emplace_back())) {}
  members_.pop_back();
  if (!cursor.intact()) return damaged("an object does not hold together");
  repeats = Repeats().collapse(members_);
  return {};
}

// `places_` are those of a text that `object` is, but for white space around it.
void ObjectIndex::read_placed(std::string_view object, std::uint32_t& repeats) {
  text_ = object;
  members_.clear();
  read_members({placed_from_, text_.data() + text_.size()}, places_, closes_, 0, escapes_, members_);
  repeats = Repeats().collapse(members_);
}

// The number of the place of an object or array that lies in this text, or places_.size().
std::size_t ObjectIndex::place_of(std::string_view raw) const {
  const bool inside = !places_.empty() && !raw.empty() && std::less_equal<>()(placed_from_, raw.data()) &&
                      std::less_equal<>()(raw.data() + raw.size(), text_.data() + text_.size());
  return inside ? place_number(places_, static_cast<std::size_t>(raw.data() - placed_from_)) : places_.size();
}

Result<void> ObjectIndex::index_nested(std::string_view raw, ObjectIndex& index) const {
  const std::size_t place = place_of(raw);
  if (place >= places_.size() || raw.front() != '{') return index_object(raw, index);
  index.text_ = raw;
  index.members_.clear();
  index.places_.clear();
  read_members({placed_from_, text_.data() + text_.size()}, places_, closes_, place, escapes_, index.members_);
  Repeats().collapse(index.members_);
  return {};
}

Result<void> ObjectIndex::index_nested(std::string_view raw, std::vector<std::string_view>& elements) const {
  const std::size_t place = place_of(raw);
  if (place >= places_.size() || raw.front() != '[') return index_array(raw, elements);
  elements.clear();
  read_elements({placed_from_, text_.data() + text_.size()}, places_, closes_, place, elements);
  return {};
}

Result<void> index_object(std::string_view validated, ObjectIndex& index) {
  std::uint32_t repeats = 0;
  return index.read(trim(validated), repeats);
}

Result<void> index_array(std::string_view validated, std::vector<std::string_view>& elements) {
  const auto text = trim(validated);
  elements.clear();
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return damaged("an array has no brackets");
  std::size_t at = skip_space(text, 1);
  if (at == text.size() - 1) return {};
  for (;;) {
    const auto end = find_value_end(text, at);
    if (end == kNotFound) return damaged("an array ends inside a value");
    elements.push_back(text.substr(at, end - at));
    at = skip_space(text, end);
    if (at == text.size() - 1) return {};
    if (at >= text.size() || text[at] != ',') return damaged("an array does not hold together");
    at = skip_space(text, at + 1);
  }
}

std::optional<std::string_view> find_path(const ObjectIndex& index, std::string_view dotted_path) {
  auto dot = dotted_path.find('.');
  const Member* top = index.find(dotted_path.substr(0, dot));
  if (top == nullptr) return std::nullopt;
  std::optional<std::string_view> found = top->value;
  std::string scratch;
  while (found && dot != std::string_view::npos) {
    dotted_path.remove_prefix(dot + 1);
    dot = dotted_path.find('.');
    found = find_nested(*found, dotted_path.substr(0, dot), scratch);
  }
  return found;
}

}  // namespace penstock::json
