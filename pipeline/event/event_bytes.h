#pragma once
// What an event comes to where each is stored by itself: body, the texts of its facts, and the distinct id once more, as a key.

#include <cstddef>
#include <string_view>

#include "pipeline/event/facts.h"

namespace penstock {

inline std::size_t event_bytes(const Facts& facts, std::string_view body) {
  return body.size() + facts.project.size() + facts.event.size() + facts.source.size() + facts.person_id.size() +
         2 * facts.distinct_id.size();
}

}  // namespace penstock
