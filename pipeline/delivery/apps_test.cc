// Apps of a destination: what they make of events is delivered, and whatever happens to it is told about the event in the log.
#include <doctest/doctest.h>

#include <map>

#include "pipeline/delivery/key_lanes.h"
#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

using Bodies = std::vector<std::string>;

Result<Bodies> doubled(std::string_view body) { return Bodies{std::string(body) + " ", std::string(body) + "  "}; }

fakes::FakeDestination::Answer reject_what_ends_with(std::string ending) {
  return [ending = std::move(ending)](const Batch& batch) {
    const bool guilty =
        std::ranges::any_of(batch.events, [&](const EventView& event) { return event.body.ends_with(ending); });
    return Outcomes::all(guilty ? rejected() : Outcome::delivered());
  };
}

void send_all_again(Rig& rig) {
  REQUIRE(rig.store->want_again(dead::Filter{}));
  rig.runner->send_again();
  rig.executor.run_ready();
}

std::map<std::string, int> counted(const Bodies& all) {
  std::map<std::string, int> counts;
  for (const auto& body : all) ++counts[body];
  return counts;
}

}  // namespace

TEST_CASE("apps change, drop and split events, and everything is settled") {
  Rig rig;
  fakes::FakeApps apps;
  apps.make_of = [](std::string_view body) -> Result<Bodies> {
    if (body == body_of(1)) return Bodies{};
    if (body == body_of(2)) return doubled(body);
    if (body == body_of(3)) return Bodies{"{}"};
    return Bodies{std::string(body)};
  };
  rig.start(apps);
  rig.add(4);
  rig.pass_within();
  CHECK(rig.crm.delivered() == Bodies{body_of(2) + " ", body_of(2) + "  ", "{}", body_of(4)});
  CHECK(rig.everything_settled());
  CHECK(rig.dead().empty());
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("an app that fails makes a dead letter of the event as it stands in the log; mended, it gets it again") {
  Rig rig;
  fakes::FakeApps apps;
  apps.make_of = [](std::string_view body) -> Result<Bodies> {
    if (body == body_of(2)) return fail(ErrorKind::invalid, "app.lua:3: attempt to index a nil value");
    return Bodies{"{}"};
  };
  rig.start(apps);
  rig.add(3);
  rig.pass_within();
  CHECK(rig.crm.delivered() == Bodies{"{}", "{}"});
  CHECK(rig.everything_settled());
  REQUIRE(rig.dead().size() == 1);
  const DeadLetter letter = rig.dead()[0];
  CHECK(letter.stage == "crm");
  CHECK(letter.app == "mine");
  CHECK(letter.code == "app_error");
  CHECK(letter.reason == "app.lua:3: attempt to index a nil value");
  CHECK(letter.body == body_of(2));

  send_all_again(rig);  // it fails again: still one letter
  REQUIRE(rig.dead().size() == 1);
  CHECK(rig.dead()[0].attempts == 2);
  CHECK(rig.runner->status().dead == 1);

  apps.make_of = [](std::string_view) { return Bodies{R"({"mended":true})"}; };
  rig.crm.answer_with(reject_what_ends_with("}"));
  send_all_again(rig);  // now it is the receiver: the same letter, of another cause
  REQUIRE(rig.dead().size() == 1);
  CHECK(rig.dead()[0].app.empty());
  CHECK(rig.dead()[0].code == "http_400");
  CHECK(rig.dead()[0].body == body_of(2));

  rig.crm.deliver_everything();
  send_all_again(rig);
  CHECK(rig.crm.delivered().back() == R"({"mended":true})");
  CHECK(rig.dead().empty());
}

TEST_CASE("what is rejected of a split event is one letter of the whole, and names the part") {
  Rig rig;
  fakes::FakeApps apps;
  apps.make_of = [](std::string_view body) -> Result<Bodies> {
    return Bodies{std::string(body), std::string(body) + " ", std::string(body) + " "};
  };
  rig.crm.answer_with(reject_what_ends_with(" "));
  rig.start(apps);
  rig.add(1);
  rig.pass_within();
  CHECK(rig.crm.delivered() == Bodies{body_of(1)});
  REQUIRE(rig.dead().size() == 1);
  const DeadLetter letter = rig.dead()[0];
  CHECK(letter.body == body_of(1));
  CHECK(letter.reason ==
        "it said http_400; that was " + derived_uuid(letter.uuid, "mine", 3).to_string() + ", which apps made of it");
  CHECK(rig.runner->status().dead == 1);
  CHECK(rig.everything_settled());

  rig.crm.deliver_everything();
  send_all_again(rig);
  CHECK(rig.crm.delivered().size() == 4);
  CHECK(rig.dead().empty());
}

TEST_CASE("parts that fill several batches: the cursor passes their event when all of them are settled") {
  Rig rig;
  rig.settings.batch.events = 2;
  fakes::FakeApps apps;
  apps.make_of = [](std::string_view body) {
    Bodies parts;
    for (int i = 0; i < 5; ++i) parts.push_back(std::string(body) + std::string(static_cast<std::size_t>(i), ' '));
    return parts;
  };
  rig.crm.cork();
  rig.start(apps);
  rig.add(1);
  rig.pass_within();
  rig.crm.answer_one();
  rig.executor.run_ready();
  rig.crm.answer_one();
  rig.executor.run_ready();
  CHECK(rig.crm.delivered().size() == 4);
  CHECK_FALSE(rig.everything_settled());
  rig.advance(Duration{2000});  // the cursor is saved
  rig.crash();
  rig.crm.uncork();
  const auto before = rig.crm.delivered().size();
  rig.start(apps);
  rig.pass_within();
  CHECK(rig.crm.delivered().size() == before + 5);
  CHECK(rig.everything_settled());
}

TEST_CASE("letters whose apps make several events of each go again in batches, and none is forgotten") {
  Rig rig;
  fakes::FakeApps apps;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(rejected()); });
  rig.start(apps);
  rig.add(25);
  rig.pass_within();
  REQUIRE(rig.dead().size() == 25);
  rig.advance(Duration{2000});  // the cursor is saved
  apps.make_of = doubled;
  rig.settings.batch.events = 3;
  rig.crash();
  rig.start(apps);
  rig.crm.answer_with(refuse(body_of(7) + "  "));
  send_all_again(rig);
  rig.pass_within();
  CHECK(rig.dead_bodies() == Bodies{body_of(7)});
  const auto delivered = counted(rig.crm.delivered());
  CHECK(delivered.size() == 49);
  for (const auto& [body, times] : delivered) CHECK_MESSAGE(times == 1, body);
  rig.crm.deliver_everything();
  apps.make_of = [](std::string_view) { return Bodies{}; };
  send_all_again(rig);  // an app that drops it settles it
  CHECK(rig.dead().empty());
}

TEST_CASE("while an app holds nothing is read, the health says why, and nothing is lost") {
  Rig rig;
  rig.settings.batch.events = 1;
  fakes::FakeApps apps;
  apps.make_of = [&](std::string_view body) {
    apps.hold = apps.seen.size() == 3;
    return Bodies{std::string(body)};
  };
  rig.start(apps);
  rig.add(5);
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 3));
  CHECK(rig.health() == Health::suspended);
  CHECK(rig.runner->status().condition.reason == "app mine failed on 11 of its last 11 events");
  CHECK(rig.runner->status().lag_events == 2);
  apps.hold = false;
  rig.advance(Duration{1500});  // nobody says that its time has come: it is looked at every second
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.crm.delivered() == bodies(1, 5));
  CHECK(rig.everything_settled());
}

TEST_CASE("resume tries a suspended app again at once") {
  Rig rig;
  fakes::FakeApps apps;
  rig.start(apps);
  apps.hold = true;
  rig.add(3);
  rig.pass_within();
  REQUIRE(rig.health() == Health::suspended);
  rig.runner->resume();
  rig.executor.run_ready();
  rig.pass_within();
  CHECK(apps.retries == 1);
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.crm.delivered() == bodies(1, 3));
}

TEST_CASE("letters wait while an app holds") {
  Rig rig;
  fakes::FakeApps apps;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(rejected()); });
  rig.start(apps);
  rig.add(3);
  rig.pass_within();
  rig.crm.deliver_everything();
  apps.hold = true;
  send_all_again(rig);
  CHECK(rig.dead().size() == 3);
  apps.hold = false;
  rig.advance(Duration{1500});
  CHECK(rig.dead().empty());
}

TEST_CASE("a replay goes through the apps, and what fails there is a dead letter") {
  Rig rig;
  fakes::FakeApps apps;
  rig.start(apps);
  rig.add(4);
  rig.pass_within();
  apps.make_of = [](std::string_view body) -> Result<Bodies> {
    if (body == body_of(3)) return fail(ErrorKind::invalid, "nil");
    return doubled(body);
  };
  ReplayOrder order;
  order.next = rig.log.begin(LogName::events);
  order.to = rig.log.end(LogName::events);
  order.total = order.left();
  int replayed = 0;
  rig.crm.answer_with([&](const Batch& batch) {
    replayed += static_cast<int>(std::ranges::count_if(batch.events, &EventView::replayed));
    return Outcomes::all(Outcome::delivered());
  });
  REQUIRE(rig.store->save_replay("crm", order, Sync::yes));
  rig.runner->replay(order, {});
  rig.pass_within();
  CHECK(replayed == 6);
  CHECK(rig.dead_bodies() == Bodies{body_of(3)});
  CHECK_FALSE(rig.runner->status().replay_left);
}

TEST_CASE("with `order: key` what is made of one id's events goes in its lane, whatever id the apps give it") {
  Parcel parcel;
  parcel.view.facts.distinct_id = "hidden";
  Origin origin;
  origin.event.facts.distinct_id = "ann";
  parcel.origin = &origin;
  parcel.view.body = "{}";
  Shipment shipment;
  shipment.parcels.push_back(parcel);
  const auto cut = cut_by_key(shipment, 4, {});
  REQUIRE(cut.size() == 1);
  CHECK(cut[0].parcels[0].key_lane == key_lane_of(origin.event.facts));
  CHECK(cut[0].parcels[0].key_lane != key_lane_of(parcel.view.facts));
}

TEST_CASE("after a crash apps make the same of the same events") {
  Rig rig;
  fakes::FakeApps apps;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  rig.start(apps);
  rig.add(3);
  rig.pass_within();
  const auto times = apps.times;
  REQUIRE(times.size() == 3);
  rig.advance(Duration{60'000});
  rig.crash();
  rig.start(apps);
  rig.pass_within();
  REQUIRE(apps.times.size() == 6);
  CHECK(std::vector(apps.times.begin() + 3, apps.times.end()) == times);
}

}  // namespace penstock::delivery
