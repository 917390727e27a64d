#pragma once
// From the body of a request to the records in it. Pure: what the fuzzer drives.

#include <cstddef>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/event/json.h"
#include "pipeline/ports/source.h"

namespace penstock::sources::http {

enum class BodyKind : std::uint8_t {
  json,  // one object or an array of them; also read as lines when that is what it is, since many clients name it wrongly
  ndjson,  // one object per line
};

// By Content-Type: the usual names of NDJSON and JSON Lines; anything else is json.
BodyKind body_kind(std::string_view content_type);

// Takes plain text, as long as its events may be together. The views point into the result's own text, also after a move.
//   array    its elements, whatever they are
//   object   itself
//   lines    each line that is not blank
// Elements and lines are not checked further: what is bad there is one dead letter, not the end of the request. An error is
// a body that is none of the three (kind invalid), or one with more than `events_max` records (kind limit).
Result<PushedRecords> split_body(std::string text, BodyKind kind, std::size_t events_max, json::Validator& validator);

}  // namespace penstock::sources::http
