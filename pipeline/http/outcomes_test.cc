#include "pipeline/http/outcomes.h"

#include <doctest/doctest.h>

#include <string>

using namespace penstock;
using namespace penstock::http;
using Kind = Outcome::Kind;

namespace {
constexpr Timestamp kNow{1'785'578'400'000};  // Sat, 01 Aug 2026 10:00:00 GMT

Outcome outcome_for(int status, std::string retry_after = "") {
  HttpReply reply;
  reply.status = status;
  reply.body = "upstream\ndown";
  if (!retry_after.empty()) reply.headers.emplace_back("retry-after", retry_after);
  return outcome_of(reply, "crm.example", kNow);
}
}  // namespace

TEST_CASE("each status means what the table says") {
  struct Row {
    int status;
    Kind kind;
  };
  for (const auto& [status, kind] : std::initializer_list<Row>{
           {200, Kind::delivered},   {201, Kind::delivered},   {202, Kind::delivered},   {204, Kind::delivered},
           {400, Kind::rejected},    {409, Kind::rejected},    {413, Kind::rejected},    {422, Kind::rejected},
           {301, Kind::unavailable}, {304, Kind::unavailable}, {401, Kind::unavailable}, {403, Kind::unavailable},
           {404, Kind::unavailable}, {405, Kind::unavailable}, {408, Kind::unavailable}, {410, Kind::unavailable},
           {418, Kind::unavailable}, {429, Kind::unavailable}, {500, Kind::unavailable}, {502, Kind::unavailable},
           {503, Kind::unavailable}, {504, Kind::unavailable}, {599, Kind::unavailable}, {100, Kind::unavailable},
           {999, Kind::unavailable}, {0, Kind::unavailable}}) {
    CAPTURE(status);
    const auto outcome = outcome_for(status);
    CHECK(outcome.kind == kind);
    CHECK(outcome.limited == (status == 429));
    CHECK(outcome.code == (kind == Kind::delivered ? "" : "http_" + std::to_string(status)));
  }
}

TEST_CASE("the reason has the status, the host and the answer's beginning on one line") {
  CHECK(outcome_for(503).reason == "503 from crm.example: upstream down");
  CHECK(outcome_for(302).reason ==
        "302 from crm.example (redirects are not followed: use the final address): upstream down");
}

TEST_CASE("Retry-After is read in both forms and held between zero and an hour") {
  struct Row {
    std::string value;
    std::optional<int> seconds;
  };
  for (const auto& [value, seconds] : std::initializer_list<Row>{{"7", 7},
                                                                 {" 7 ", 7},
                                                                 {"0", 0},
                                                                 {"3601", 3600},
                                                                 {"99999999999999999999999999", 3600},
                                                                 {"Sat, 01 Aug 2026 10:02:00 GMT", 120},
                                                                 {"Saturday, 01-Aug-26 10:02:00 GMT", 120},
                                                                 {"Sat Aug  1 10:02:00 2026", 120},
                                                                 {"Sat, 01 Aug 2026 09:00:00 GMT", 0},
                                                                 {"Sat, 01 Aug 2037 10:00:00 GMT", 3600},
                                                                 {"Sat, 01 Aug 883905207 10:00 GMT", 3600},
                                                                 {"", {}},
                                                                 {"-5", {}},
                                                                 {"1.5", {}},
                                                                 {"soon", {}},
                                                                 {"Sat, 99 Foo 2026 10:02:00 GMT", {}},
                                                                 {"7 seconds", {}}}) {
    CAPTURE(value);
    const auto wait = parse_retry_after(value, kNow);
    CHECK(wait.has_value() == seconds.has_value());
    if (wait && seconds) CHECK(*wait == std::chrono::seconds(*seconds));
  }
  CHECK(outcome_for(429, "7").retry_after == Duration(7000));
  CHECK(outcome_for(503, "nonsense").retry_after == std::nullopt);
}

TEST_CASE("errors are unavailable and keep their name") {
  const auto timeout = outcome_of(Error{ErrorKind::limit, "crm.example gave no complete answer within 5s"});
  CHECK(timeout.kind == Kind::unavailable);
  CHECK(timeout.code == "timeout");
  CHECK(outcome_of(Error{ErrorKind::unavailable, "x"}).code == "network");
  CHECK(outcome_of(Error{ErrorKind::stopped, "x"}).code == "stopped");
}

TEST_CASE("an excerpt is printable, whatever the peer sent") {
  CHECK(printable("a\r\n\r\n\tb\x1b[31m", 200) == "a b [31m");
  CHECK(printable("ok \xff\xc3 \xed\xa0\x80 é", 200) == "ok ?? ??? é");
  CHECK(printable("ééé", 5) == "éé…");
  CHECK(printable(std::string(500, 'x'), 200) == std::string(200, 'x') + "…");
  CHECK(printable("\n\n", 200).empty());
}
