#pragma once
// What a message of somebody's topic has besides its body. What comes of it goes on with that where the log can keep it
// (Log::keeps_attachments): apps see nothing of it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"

namespace penstock {

struct Attachment {
  std::optional<std::string_view> key;  // none: what an event has for itself
  Timestamp time;            // 0: when it is appended
  std::string_view headers;  // as append_header makes them; empty: none

  std::size_t bytes() const { return headers.size() + (key ? key->size() : 0); }
};

struct AttachedHeader {
  std::string_view name;
  std::optional<std::string_view> value;  // none is not the same as empty
};

void append_header(std::string& headers, const AttachedHeader& header);
// In their order. The views are of `headers`.
void read_headers(std::string_view headers, std::vector<AttachedHeader>& out);

// Of the events of one chunk, by their index there. Keeps copies. Not thread-safe while it is added to.
class Attachments {
 public:
  // Events come in their order; those that are left out have none.
  void add(std::size_t event, const Attachment& attachment);
  // The views are valid until the next add.
  Attachment of(std::size_t event) const;
  bool empty() const { return rows_.empty(); }
  std::size_t bytes() const { return texts_.size() + rows_.size() * sizeof(Row); }

 private:
  struct Row {
    Timestamp time;
    std::size_t at = 0;  // of the key in `texts_`; the headers follow
    std::uint32_t key_size = 0;
    std::uint32_t headers_size = 0;
    bool has_key = false;
  };

  std::vector<Row> rows_;
  std::string texts_;
};

}  // namespace penstock
