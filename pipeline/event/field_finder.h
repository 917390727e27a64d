#pragma once
// A few fields of an object, found in one walk over its bytes: nothing else of it is kept, and what no wanted field lies in is
// stepped over. For whoever asks the same question of many bodies, such as a condition; an index (json.h) is for looking around.
//
// Not thread-safe; reused from body to body without allocating.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::json {

class FieldFinder {
 public:
  enum class Place : std::uint8_t {
    nowhere,  // a part of the way to it is missing, or no object
    absent,  // the object that would have it is there
    present,
  };
  struct Field {
    Place place = Place::nowhere;
    std::string_view raw;  // present: as in json.h, a view of the body
  };

  // Wants the field at this path of unescaped keys, at least one. Returns its number; a path that is wanted already keeps its own.
  std::size_t want(const std::vector<std::string>& path);

  // Finds all of them. Of a key that comes more than once the last counts, at every level. `object` was validated before; false:
  // it is damaged, and the fields mean nothing.
  bool find(std::string_view object);
  const Field& field(std::size_t number) const { return steps_[number].field; }

 private:
  // A key on the way to a field, or of one. Those below it follow from `child` by `sibling`.
  struct Step {
    std::string key;
    std::size_t child = 0;  // 0: none
    std::size_t sibling = 0;
    Field field;
  };
  class Scan;
  bool walk(std::size_t step);
  void reset(std::size_t step, Place place);
  std::size_t step_named(std::size_t parent, std::string_view key) const;
  bool take(char wanted);
  bool read_key(std::string_view& key);
  bool read_value(std::size_t step);

  std::vector<Step> steps_ = std::vector<Step>(1);  // the first is the object itself
  std::string_view text_;
  std::size_t at_ = 0;
  bool nested_ = false;  // some wanted field is below another
  bool plain_ = true;  // no wanted key is empty or spelt with escapes
  std::string key_ends_;  // each last byte of a wanted key, once
  std::string scratch_;
};

}  // namespace penstock::json
