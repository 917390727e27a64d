#pragma once
// A chain of Lua apps, ingest's or a destination's, with its counters made visible to others: a chain counts for its own thread
// only, so now and then what has been counted is published to a board and to the metrics.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/scripting/transform/chain.h"
#include "pipeline/telemetry/metrics.h"
#include "pipeline/topology/status.h"

namespace penstock::topology {

// Where the chains of all workers publish; read from any thread.
class AppBoard {
 public:
  void show(int worker, std::vector<AppStatus> apps);
  // The worker is not here any more.
  void forget(int worker);
  // Each app once, in the order of the chain: what its instances counted together, suspended when one of them is. While a new
  // chain is being taken, an app of which both versions run is there twice.
  std::vector<AppStatus> apps() const;
  bool suspended(const std::string& app) const;  // with any worker

 private:
  mutable std::mutex mutex_;
  std::map<int, std::vector<AppStatus>> by_worker_;  // guarded by mutex_
};

class MeasuredChain final : public Transform {
 public:
  // That of one worker; a destination has one worker, 0, and a board of its own.
  // Of the pipeline, when `destination` is empty: its metrics are penstock_app_*. Those of a destination are
  // penstock_delivery_app_* with a label more, and its name is before the app's in the log. The board and the metrics outlive it.
  static Result<std::unique_ptr<MeasuredChain>> make(std::shared_ptr<const scripting::ChainPlan> plan, int worker,
                                                     AppBoard& board, telemetry::Metrics& metrics,
                                                     const std::string& destination = {});

  ~MeasuredChain() override;

  void begin_batch(Timestamp now, StateView* state) override;
  void run(const json::ObjectIndex& body, const Facts& facts, bool canonical, Transformed& out) override {
    chain_->run(body, facts, canonical, out);
  }
  void set_time(Timestamp now) override { chain_->set_time(now); }
  std::uint64_t version() const override { return chain_->version(); }
  bool holding() const override;
  std::string why_holding() const override { return chain_->why_holding(); }
  void retry() override;
  bool on_trial() const override { return chain_->on_trial(); }
  Standing standing() const override { return chain_->standing(); }
  void judge() override { chain_->judge(); }
  void give_up_batch() override;
  std::vector<std::string> distrusted() const override { return chain_->distrusted(); }
  void distrust(const std::vector<std::string>& names) override { chain_->distrust(names); }
  void publish() override;

 private:
  struct AppMetrics {
    AppMetrics(telemetry::Metrics& metrics, const scripting::AppPlan& plan, const std::string& destination);
    void add(const scripting::AppCounters& now);
    void publish(scripting::AppMetrics& own);
    telemetry::Labels with(telemetry::Labels more) const;

    telemetry::Metrics& registry;
    std::string app;
    std::string prefix;
    telemetry::Labels labels;
    telemetry::Counter label_overflows;
    std::uint64_t overflows_published = 0;
    telemetry::Counter events, dropped, errors, memory_stops, instruction_stops, time_stops, passed_by, nanoseconds;
    telemetry::Gauge info, suspended;
    scripting::AppCounters published;
  };

  MeasuredChain(std::unique_ptr<scripting::Chain> chain, scripting::LogSink log, int worker, AppBoard& board,
                telemetry::Metrics& metrics, const std::string& destination);
  void add_to_metrics() const;
  void show() const;
  void tell_of_failures();

  std::unique_ptr<scripting::Chain> chain_;
  const scripting::LogSink log_;
  const int worker_;
  AppBoard& board_;
  mutable std::vector<AppMetrics> metrics_;  // what was published of the chain's counters
  mutable bool shown_holding_ = false;
  bool trial_ = false;  // this batch: what it counts is published when it has passed, or never
};

}  // namespace penstock::topology
