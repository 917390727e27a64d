#include "pipeline/ingest/death_notice.h"

#include <doctest/doctest.h>

namespace penstock::ingest {
namespace {

SteadyTime at(int seconds) { return SteadyTime{Duration{seconds * 1000}}; }

DeadLetter letter(const std::string& reason) {
  DeadLetter dead;
  dead.uuid = Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057").value();
  dead.source = "web";
  dead.app = "mine";
  dead.reason = reason;
  dead.code = "app_error";
  return dead;
}

}  // namespace

TEST_CASE("dead letters are told of when they are durable, at once and then together") {
  DeathNotice notice;
  notice.add(letter("app.lua:3: bad one\ntraceback"));
  notice.add(letter("app.lua:4: another"));
  CHECK_FALSE(notice.due(at(1)));
  notice.batch_appended();
  CHECK_FALSE(notice.due(at(1)));
  notice.batch_durable();
  CHECK(notice.due(at(1)) ==
        "dead letters, 2 new; the first one: 01890a5d-ac96-774b-bcce-b302099a8057 of source web: mine: app.lua:3: bad one "
        "(app_error)");
  for (int i = 0; i < 3; ++i) {
    notice.add(letter("more"));
    notice.batch_appended();
    notice.batch_durable();
  }
  CHECK_FALSE(notice.due(at(10)));
  CHECK(notice.due(at(11)).value_or("").starts_with("dead letters, 3 new; "));
  CHECK_FALSE(notice.due(at(100)));
}

TEST_CASE("what is given up is not told of") {
  DeathNotice notice;
  notice.add(letter("one"));
  notice.batch_discarded();
  notice.add(letter("two"));
  notice.batch_appended();
  notice.appended_discarded();
  notice.batch_durable();
  CHECK_FALSE(notice.due(at(1)));
}

}  // namespace penstock::ingest
