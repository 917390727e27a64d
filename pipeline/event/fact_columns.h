#pragma once
// The facts of a chunk's events as columns. Internal to this folder.
//
// Plain form, before LZ4:
//   projects, sources       each: how many (varint), then the texts
//   ids                     total length of the distinct ids when spelt out (varint)
//   persons                 the same for person ids; only with the flag
//   uuids                   16 bytes each
//   event, project, source  a number into names, projects, sources for each event (varints); absent where there is one only
//   received_at, timestamp  signed varints: the difference to the event before; and how far `timestamp` is from
//                           `received_at`, as the difference to how far it was in the event before
//   body lengths            signed varints: the difference to the length before
//   ids                     for each event 0, "a new one", or 1 + the number of one that came before (varints);
//                           then the new ones in order: a byte that says how many bytes it shares with the new one before,
//                           the length of the rest (varint), the rest. The byte 255: sixteen bytes follow, which spelt as
//                           a uuid are the id
//   persons                 the same; only with the flag
//
// Differences wrap around, so that any time can be stored.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/dictionary.h"
#include "pipeline/event/facts.h"

namespace penstock {

inline constexpr std::uint8_t kSpeltUuid = 255;
inline constexpr std::size_t kSharedMax = 254;
inline constexpr std::size_t kUuidTextBytes = 36;

// Numbers for integers that are near the one before.
class DifferenceColumn {
 public:
  void add(std::uint64_t value);
  const std::string& bytes() const { return bytes_; }
  void clear();

 private:
  std::string bytes_;
  std::uint64_t last_ = 0;
};

// Numbers for texts of a dictionary that is stored elsewhere.
class NumberColumn {
 public:
  void add(std::string_view text);
  const Dictionary& dictionary() const { return dictionary_; }
  const std::string& bytes() const { return bytes_; }
  void clear();

 private:
  Dictionary dictionary_;
  std::uint32_t last_ = 0;
  std::string bytes_;
};

// Ids, most of which are new or were here a moment ago.
class IdColumn {
 public:
  void add(std::string_view id);
  std::size_t spelt_bytes() const { return dictionary_.text_bytes(); }
  const std::string& codes() const { return codes_; }
  const std::string& entries() const { return entries_; }
  void clear();

 private:
  void add_entry(std::string_view id, std::string_view before);

  Dictionary dictionary_;
  std::uint32_t last_ = 0;
  std::string codes_;
  std::string entries_;
};

// Collects the columns.
class FactColumns {
 public:
  void add(const Facts& facts, std::size_t body_bytes);
  std::uint32_t count() const { return count_; }
  std::size_t bytes() const;
  bool has_persons() const { return has_persons_; }

  void write_names(std::string& out) const;
  void write_plain(std::string& out) const;
  void clear();

 private:
  std::uint32_t count_ = 0;
  bool has_persons_ = false;
  std::string uuids_;
  NumberColumn events_, projects_, sources_;
  DifferenceColumn received_, latencies_, lengths_;
  IdColumn ids_, persons_;
};

// Where the reader puts what it reads. The views point into `names_section` and `text`, which must stay where they are.
struct FactTable {
  std::vector<std::string_view>& names;
  std::vector<Facts>& facts;
  std::vector<std::uint32_t>& body_ends;
  std::string& text;
};

// `plain` may be anything at all: every number is checked before it is used, and memory grows only with what is there.
Result<void> read_fact_columns(std::string_view names_section, std::string_view plain, std::uint32_t count, bool has_persons,
                               std::uint32_t bodies_bytes, FactTable table);

}  // namespace penstock
