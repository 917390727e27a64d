#pragma once
// The dead letters of intake and ingest, and the codes they carry.

#include <string>
#include <string_view>

#include "pipeline/event/dead_letter.h"
#include "pipeline/event/fact_map.h"

namespace penstock::ingest {

inline constexpr std::string_view kIngestStage = "ingest";
inline constexpr std::string_view kInvalidJson = "invalid_json";  // not one valid JSON object
inline constexpr std::string_view kNoFacts = "no_facts";          // no event name, or a mapped field is missing
inline constexpr std::string_view kTooLarge = "too_large";        // over the source's limit for one record

inline constexpr std::string_view kOutputTooLarge = "output_too_large";  // an app made more of it than a commit holds

struct RefusedAt {
  RecordPlace place;
  std::string label;  // the input partition for people: a path
  Timestamp now;
};

// For a record that never became an event: its uuid is derived from its place.
DeadLetter refusal(const RefusedAt& at, int partitions, std::string_view code, std::string_view reason,
                   std::string_view body);

// For an event on which an app failed.
DeadLetter app_failure(const Facts& facts, int partitions, std::string_view app, std::string_view code,
                       std::string_view reason, std::string_view body, Timestamp now);

}  // namespace penstock::ingest
