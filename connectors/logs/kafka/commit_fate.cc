// The part of the writer that finds out what is there: at the start, and after a transaction that failed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/logs/kafka/commit_writer.h"
#include "connectors/logs/kafka/state_reader.h"
#include "pipeline/base/log.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Transactions;

constexpr Duration kTakeOverWithin{10'000};
constexpr Duration kPatience{10'000};
constexpr std::chrono::seconds kBetweenTries{1};
constexpr std::chrono::seconds kLongAnswer{5};
constexpr int kQuickAgain = 100;  // commits in a row that need no more time than usual

}  // namespace

// Whoever had the log, or the name of this process, can write no more once this has begun, and what they had begun to write is
// decided.
Result<void> CommitWriter::take_over() {
  const auto& config = around_.config;
  const auto settings = commit_settings(config, around_.events_max, around_.state_max, transaction_timeout_);
  TRY_ASSIGN(auto started, Transactions::start(settings, {"log", "events"}, around_.metrics));
  use(std::move(started));
  events_topic_ = transactions_->topic(config.events_topic());
  if (auto taken = transactions_->take_over(kTakeOverWithin, around_.stop); !taken) {
    if (taken.error().kind != ErrorKind::limit) return taken;
    if (transaction_timeout_ <= kTransactionTimeout) {
      return fail(ErrorKind::invalid,
                  fmt::format("the brokers allow no transaction of {} s; set their transaction.max.timeout.ms to as much "
                              "at least",
                              kTransactionTimeout.count() / 1000));
    }
    transaction_timeout_ = longest_transaction_ = std::max(kTransactionTimeout, transaction_timeout_ / 2);
    return fail(ErrorKind::unavailable, std::move(taken).error().message);
  }
  quick_commits_ = 0;
  client_timeout_ = transaction_timeout_;
  if (around_.group == nullptr) {
    TRY_ASSIGN(newest_[0], newest_commit(around_.looker, {config.state_topic(), 0}));
  }
  return measure();
}

Result<void> CommitWriter::measure() {
  TRY_ASSIGN(const auto bounds, around_.looker.bounds_of_all(around_.config.events_topic(), next_.size(), kPatience));
  for (std::size_t p = 0; p < next_.size(); ++p) {
    around_.reach.begin_at(p, bounds[p].first);
    next_[p] = std::max(next_[p], bounds[p].second);
  }
  around_.reach.grow(next_, 0);
  return {};
}

// So that a process that lost the log without knowing sees that it was not a broker who ended its transaction.
Result<void> CommitWriter::claim() {
  Commit& newest = newest_[0];
  newest.holder = holder_;
  const StateRow row = encode_commit(newest);
  TRY(transactions_->begin());
  TRY(transactions_->send(transactions_->topic(around_.config.state_topic()), 0, row.key, row.value, {}));
  TRY(transactions_->commit());
  around_.reach.grow(next_, newest.next_sequence);
  around_.shard_reaches[0].grow({}, newest.next_sequence);
  return {};
}

void CommitWriter::use(std::unique_ptr<Transactions> transactions) {
  {
    const std::lock_guard lock(mutex_);
    std::swap(transactions_, transactions);
  }
  transactions.reset();  // takes its time
}

void CommitWriter::set_busy(std::optional<SteadyTime> since) {
  const std::lock_guard lock(mutex_);
  busy_since_ = since;
}

std::optional<Error> CommitWriter::trouble() const {
  const std::lock_guard lock(mutex_);
  if (trouble_ || !busy_since_ || around_.clock.steady() - *busy_since_ < kLongAnswer) return trouble_;
  const auto why = transactions_ ? transactions_->trouble() : std::string();
  return Error{ErrorKind::unavailable, fmt::format("a commit has waited for its brokers for more than {} s{}{}",
                                                   kLongAnswer.count(), why.empty() ? "" : ": ", why)};
}

// A commit that brokers could not take in the time of a transaction, because they hold this process to a quota, say, would fail again
// and again.
void CommitWriter::weigh_time(bool written) {
  if (!begun_at_) return;
  const auto took = around_.clock.steady() - *std::exchange(begun_at_, std::nullopt);
  if (!written) {
    if (took < transaction_timeout_ * 9 / 10 || transaction_timeout_ >= longest_transaction_) return;
    transaction_timeout_ = std::min(2 * transaction_timeout_, longest_transaction_);
    return log_warning("log", "the brokers have not taken a commit within its time; the next may take {} s",
                       transaction_timeout_.count() / 1000);
  }
  quick_commits_ = took < kTransactionTimeout / 2 ? quick_commits_ + 1 : 0;
  if (client_timeout_ <= kTransactionTimeout || quick_commits_ < kQuickAgain) return;
  // Whoever dies with more time holds up readers for longer. Where brokers do not answer now, the next commit fails, and finds out.
  transaction_timeout_ = kTransactionTimeout;
  quick_commits_ = 0;
  const auto found = find_fate({});
  if (found) {
    return log_info("log", "the brokers take commits quickly again; the next may take {} s as before",
                    kTransactionTimeout.count() / 1000);
  }
  if (found.error().kind == ErrorKind::unavailable || found.error().kind == ErrorKind::stopped) return;
  const std::lock_guard lock(mutex_);
  failure_ = found.error();
}

void CommitWriter::note(std::optional<Error> trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

// Nullopt: all of it is durable. Else none of it is, and this is why.
std::optional<Error> CommitWriter::fate_of(const Group& group, Error why) {
  const auto expected = after(group);
  log_warning("log", "{}; looking at what became of it", why.message);
  note(why);
  for (;;) {
    use(nullptr);
    const auto durable = find_fate(expected);
    note(durable ? std::nullopt : std::optional(durable.error()));
    if (durable) return *durable ? std::nullopt : std::optional(why);
    if (durable.error().kind != ErrorKind::unavailable) {
      use(nullptr);
      const std::lock_guard lock(mutex_);
      return failure_ = durable.error();
    }
    if (pause(kBetweenTries)) {
      return given_up_ =
                 Error{ErrorKind::stopped, "the log was closed before a broker answered: " + durable.error().message};
    }
  }
}

// A shard that has another holder by now tells nothing, but all of a transaction has one fate.
Result<bool> CommitWriter::find_fate(const std::map<int, std::uint64_t>& expected) {
  const bool alone = around_.group == nullptr;
  if (alone) TRY(look_whose());
  TRY(take_over());
  if (alone) TRY(look_whose());
  bool durable = false;
  for (const auto& [shard, after] : expected) {
    TRY_ASSIGN(const Commit found, newest_commit(around_.looker, {around_.config.state_topic(), shard}));
    const bool released = !alone && found.holder == Uuid() && found.next_sequence == after;  // by the last of these
    if (found.holder != holder_ && !released) continue;
    durable = durable || found.next_sequence == after;
    newest_[shard] = found;
    around_.shard_reaches[static_cast<std::size_t>(shard)].grow({}, found.next_sequence);
  }
  around_.reach.grow(next_, alone ? newest_[0].next_sequence : 0);
  return durable;
}

// Before anybody is shut out, and after: whoever claimed the log keeps it.
Result<void> CommitWriter::look_whose() {
  TRY_ASSIGN(const Commit newest, newest_commit(around_.looker, {around_.config.state_topic(), 0}));
  if (newest.holder == holder_) return {};
  return fail(ErrorKind::conflict,
              fmt::format("another process has taken over the log with the prefix '{}'; one at a time can write to it. Give "
                          "the log more `shards` to share it",
                          around_.config.prefix));
}

}  // namespace penstock::logs::kafka
