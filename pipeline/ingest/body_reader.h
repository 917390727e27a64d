#pragma once
// A record's body as everything after intake sees it: valid, indexed, and with each top-level key once. Receivers differ in
// which of two equal keys they take, so a body that repeats one is written anew with the last value, and counted.

#include <string>
#include <string_view>

#include "pipeline/event/json.h"

namespace penstock::ingest {

// Not thread-safe.
class BodyReader {
 public:
  // The index's text is what is to be stored; it is valid until the next call, or as long as `body` when nothing had to be
  // changed. The error names reason and byte.
  Result<json::Repairs> read(std::string_view body, json::ObjectIndex& index) {
    TRY_ASSIGN(const json::Repairs repairs, validator_.validate(body, index));
    if (repairs.duplicate_keys == 0) return repairs;
    rewritten_ = "{";
    for (const auto& member : index.members()) {
      if (rewritten_.size() > 1) rewritten_.push_back(',');
      rewritten_.append("\"").append(member.key).append("\":").append(member.value);
    }
    rewritten_.push_back('}');
    TRY(json::index_object(rewritten_, index));
    return repairs;
  }

 private:
  json::Validator validator_;
  std::string rewritten_;
};

}  // namespace penstock::ingest
