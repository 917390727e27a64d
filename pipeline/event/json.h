#pragma once
// The only door through which JSON enters: complete validation once, and an index of spans over the received bytes.
//
// Every text here is a view of the caller's buffer. "Raw" means as received: strings with their quotes and escapes, numbers
// with every digit. Raw is what serialising copies, so a value no app assigned keeps its bytes.
//
// No byte behind a text is read, so callers may give bodies that lie inside larger buffers.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::json {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

// By the first byte of a raw, valid value.
Kind kind_of(std::string_view raw);

struct Member {
  std::string_view key;    // raw, without the quotes; may contain escapes
  std::string_view value;  // raw, without surrounding white space
  bool key_escaped = false;
};

// The key itself: a view of the text when it has no escapes, else of `scratch`.
std::string_view unescaped_key(const Member& member, std::string& scratch);

struct Limits {
  std::size_t bytes_max = 1 << 20;
  int depth_max = 128;
};

// What validation had to do beyond reading. Counted by the caller.
struct Repairs {
  std::uint32_t lone_surrogates = 0;  // each "\ud83d" without its other half became "\ufffd"
  std::uint32_t duplicate_keys = 0;   // top-level keys that came again; the last one won
};

// Members of one JSON object, in document order; a duplicated key stands once, at the place of its first appearance, with
// the value of the last. Reused from event to event so that the steady state allocates nothing. Not thread-safe.
class ObjectIndex {
 public:
  std::string_view text() const { return text_; }  // the object itself, without surrounding white space
  const std::vector<Member>& members() const { return members_; }
  // By unescaped key. nullptr when there is none.
  const Member* find(std::string_view key) const;

  // What an object or array somewhere in `text()` holds; fast after validation, which remembers where things are. Any other
  // valid value is taken as well.
  Result<void> index_nested(std::string_view raw, ObjectIndex& index) const;
  Result<void> index_nested(std::string_view raw, std::vector<std::string_view>& elements) const;

 private:
  friend class Validator;
  friend Result<void> index_object(std::string_view, ObjectIndex&);
  Result<void> read(std::string_view object, std::uint32_t& repeats);
  void read_placed(std::string_view object, std::uint32_t& repeats);
  std::size_t place_of(std::string_view raw) const;

  std::string_view text_;
  std::vector<Member> members_;
  // Of all structural characters, as places in what begins at `placed_from_`; empty when nobody knows them.
  std::vector<std::uint32_t> places_;
  std::vector<std::uint32_t> closes_;  // where what opens at a place closes, by number of the place
  const char* placed_from_ = nullptr;
  bool escapes_ = true;  // there may be backslashes
};

// One per thread; keeps simdjson's buffers. Not thread-safe.
class Validator {
 public:
  explicit Validator(Limits limits = {});
  ~Validator();
  Validator(Validator&&) noexcept;
  Validator& operator=(Validator&&) noexcept;

  // Checks that `body` is one complete, valid JSON object in valid UTF-8, within the limits, and nothing after it; then
  // indexes it. The error names the reason and the byte offset: "invalid JSON at byte 17: …" (kind invalid), or the size
  // and its bound (kind limit). When a lone surrogate had to
  // be replaced, `index.text()` points into a buffer of this Validator, valid until its next call; otherwise into `body`.
  Result<Repairs> validate(std::string_view body, ObjectIndex& index);

  // As validate, for any JSON value (used for "[{…},{…}]" request bodies); gives the value without surrounding white space.
  // Where a lone surrogate was replaced, it points into a buffer that only the next validate_value touches, so the elements
  // of an array may go through `validate` one by one. `repairs`, when given, is set.
  Result<std::string_view> validate_value(std::string_view text, Repairs* repairs = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Indexes an object that was validated before (from the log, or nested in a validated body). An error here means that the
// stored bytes are damaged.
Result<void> index_object(std::string_view validated, ObjectIndex& index);

// The raw elements of a validated array, in order.
Result<void> index_array(std::string_view validated, std::vector<std::string_view>& elements);

// The raw value at a dotted path ("customer.id") below a validated object, or nullopt. Nested keys that came twice: the
// last one, as at the top.
std::optional<std::string_view> find_path(const ObjectIndex& index, std::string_view dotted_path);

// The text of a raw, valid string, given with its quotes: a view of the input when it has no escapes, else of `scratch`. Lone surrogates cannot
// occur in validated text.
std::string_view unescape(std::string_view raw_string, std::string& scratch);

// Whether all of it is well-formed UTF-8.
bool is_utf8(std::string_view text);

// Whether `text` between quotes is a JSON string as it stands, in ASCII: nothing in it needs an escape.
bool is_plain(std::string_view text);

// Appends `text` as a JSON string with quotes. Each byte that belongs to no valid UTF-8 sequence becomes "\ufffd".
void append_string(std::string& out, std::string_view text);
// The same, ended as soon as `out` has more than `bytes_max`: then false, and what was appended is of no use.
bool append_string(std::string& out, std::string_view text, std::size_t bytes_max);

// Appends a raw, valid value without the white space between its tokens; strings and numbers keep their bytes.
void append_compact(std::string& out, std::string_view raw);

// Exact conversions of a raw number. nullopt: not written as an integer ("1.0" is not one) or out of range; not finite.
std::optional<std::int64_t> to_int64(std::string_view raw_number);
std::optional<double> to_double(std::string_view raw_number);

}  // namespace penstock::json
