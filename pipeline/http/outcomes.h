#pragma once
// What an answer means for the events that were sent: the one table for every destination that speaks HTTP.
//   2xx delivered · 400, 409, 422 and 413 rejected (delivery halves a batch, so 413 finds its way) · everything else
//   unavailable: 408, 429 (limited), 5xx, 401, 403, 404, redirects, network, timeouts, unreadable answers.
// Pure functions; any thread.

#include <optional>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/destination.h"
#include "pipeline/ports/http_client.h"

namespace penstock::http {

// Code "http_503", reason "503 from crm.example: <first 200 bytes of the answer, made printable>".
Outcome outcome_of(const HttpReply& reply, std::string_view host, Timestamp now);

// Code "timeout", "stopped" or "network"; the reason is the error's message, which names the host.
Outcome outcome_of(const Error& error);

// The value of a Retry-After header: seconds or an HTTP date, never below zero nor above an hour. nullopt: neither.
std::optional<Duration> parse_retry_after(std::string_view value, Timestamp now);

// At most `bytes_max` of `text`, without control characters and without bytes that are not UTF-8; "…" where it was cut.
std::string printable(std::string_view text, std::size_t bytes_max);

}  // namespace penstock::http
