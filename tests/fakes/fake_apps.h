#pragma once
// Apps as a stage sees them, made of a plain function. The Transform that `make` gives to the code under test is only a wire to
// this object, which must outlive it; a new `make` is what a restart has. Not thread-safe.
//
//   FakeApps apps;
//   apps.make_of = [](std::string_view body) -> Result<std::vector<std::string>> { … };

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "pipeline/event/fact_map.h"
#include "pipeline/ports/transform.h"

namespace penstock::fakes {

class FakeApps {
 public:
  // The bodies that become of one: none when it is dropped. An error is that of the app "mine".
  std::function<Result<std::vector<std::string>>(std::string_view body)> make_of = [](std::string_view body) {
    return std::vector{std::string(body)};
  };
  bool hold = false;  // until it is tried again
  bool trial = false;  // it held, and is tried again: judged by ten events, or as many as there are
  int retries = 0, given_up = 0;
  void try_again() {
    trial = std::exchange(hold, false);
    tried_ = failed_ = 0;
  }

  std::vector<std::string> seen;  // bodies, in the order they came
  std::vector<Timestamp> times;  // of each: what app.now() would have said
  std::vector<bool> canonical;

  std::unique_ptr<Transform> make() { return std::make_unique<Wire>(*this); }

 private:
  void judge() {
    if (!trial || tried_ == 0) return;
    hold = 2 * failed_ > tried_;
    trial = !hold && tried_ < 10;
  }

  int tried_ = 0, failed_ = 0;  // of the trial

  class Wire final : public Transform {
   public:
    explicit Wire(FakeApps& apps) : apps_(apps) {}
    void begin_batch(Timestamp now, StateView*) override {
      now_ = now;
      if (!apps_.trial) apps_.tried_ = apps_.failed_ = 0;
      before_ = {apps_.tried_, apps_.failed_};
    }
    void set_time(Timestamp now) override { now_ = now; }
    Standing standing() const override {
      return apps_.hold ? Standing::out : apps_.trial ? Standing::on_trial : Standing::good;
    }
    void judge() override { apps_.judge(); }
    void give_up_batch() override {
      ++apps_.given_up;
      std::tie(apps_.tried_, apps_.failed_) = before_;
    }
    bool holding() const override { return apps_.hold; }
    std::string why_holding() const override { return "app mine failed on 11 of its last 11 events"; }
    void retry() override {
      ++apps_.retries;
      if (apps_.hold) apps_.try_again();
    }
    std::uint64_t version() const override { return 1; }

    void run(const json::ObjectIndex& body, const Facts& facts, bool canonical, Transformed& out) override {
      apps_.seen.emplace_back(body.text());
      apps_.times.push_back(now_);
      apps_.canonical.push_back(canonical);
      out.events.clear();
      auto made = apps_.make_of(body.text());
      apps_.failed_ += made ? 0 : 1;
      if (++apps_.tried_ >= 10) apps_.judge();
      if (!made) {
        out.kind = Transformed::Kind::failed;
        out.app = "mine";
        out.code = "app_error";
        out.reason = made.error().message;
        return;
      }
      made_ = *std::move(made);
      out.kind = made_.empty() ? Transformed::Kind::dropped : Transformed::Kind::kept;
      for (std::uint32_t i = 0; i < made_.size(); ++i) {
        EventView part{facts, made_[i] == body.text() ? body.text() : std::string_view(made_[i])};
        if (made_.size() > 1) part.facts.uuid = derived_uuid(facts.uuid, "mine", i + 1);
        out.events.push_back(part);
      }
    }

   private:
    FakeApps& apps_;
    Timestamp now_;
    std::pair<int, int> before_;
    std::vector<std::string> made_;
  };
};

}  // namespace penstock::fakes
