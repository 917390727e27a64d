#include "pipeline/kafka/group_member.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/kafka/client.h"

namespace penstock::kafka {
namespace {

constexpr int kPoll = 100;  // ms
// A rebalance that is under way comes to its end first, and others may take their time to give up what they have.
constexpr std::chrono::seconds kLeaveWithin{15};
// Two processes of one name fence each other as fast as they can join.
constexpr std::size_t kFencedMax = 4;
constexpr std::chrono::seconds kFencedOfLate{60};

std::vector<int> numbers_of(const rd_kafka_topic_partition_list_t& list) {
  std::vector<int> numbers;
  for (int i = 0; i < list.cnt; ++i) numbers.push_back(list.elems[i].partition);
  return numbers;
}

// Empty while it has been expelled, or has not joined.
std::string id_of(rd_kafka_t* client) {
  char* const raw = rd_kafka_memberid(client);
  std::string id = raw == nullptr ? std::string() : raw;
  if (raw != nullptr) rd_kafka_mem_free(client, raw);
  return id;
}

}  // namespace

void Membership::Deleter::operator()(rd_kafka_consumer_group_metadata_s* made) const {
  rd_kafka_consumer_group_metadata_destroy(made);
}

struct GroupMember::Impl {
  Impl(Settings with, std::string of_topic, Calls given, telemetry::Metrics* where)
      : settings(std::move(with)), topic(std::move(of_topic)), calls(std::move(given)), metrics(where) {}

  Result<void> join();
  void run(const std::stop_token& stop);
  bool poll();
  void note(std::string said);
  bool expelled() const;
  bool start_anew(const std::stop_token& stop);
  void drop_all();
  void depart();
  struct Asked {
    Membership membership;
    std::string id;
  };
  std::optional<Asked> ask_membership() const;
  rd_kafka_t* handle() const { return client->get(); }
  void rebalance(const Client& of, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions);
  void gain(const Client& of, rd_kafka_topic_partition_list_t* partitions);
  void lose(const Client& of, rd_kafka_topic_partition_list_t* partitions);
  void forget(const std::vector<int>& partitions);
  bool holds_any() const;

  const Settings settings;
  const std::string topic;
  const Calls calls;
  telemetry::Metrics* const metrics;
  std::deque<std::chrono::steady_clock::time_point> fenced;  // the thread's; of late
  std::atomic<std::uint64_t> rebalances = 0;
  std::atomic<bool> over = false;  // nobody is there any more whom `calls` would reach
  mutable std::mutex mutex;
  struct Held {
    std::uint64_t term = 0;
    std::string as;  // the member that it was given to
  };
  std::map<int, Held> held;  // guarded by mutex; by partition
  std::uint64_t last_term = 0;  // guarded by mutex
  // Held while `client` is asked something by another thread, for as long as that takes: so never one within the other.
  mutable std::mutex asking;
  std::unique_ptr<Client> client;  // replaced by the thread under `asking`; null for a moment, or once it has failed
  std::optional<Error> failure;  // guarded by mutex
  std::string trouble;  // guarded by mutex
  std::mutex leaving;
  std::jthread thread;  // guarded by leaving
};

GroupMember::GroupMember(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GroupMember::~GroupMember() { leave(); }

void GroupMember::leave() {
  const std::lock_guard one(impl_->leaving);
  impl_->thread.request_stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<std::unique_ptr<GroupMember>> GroupMember::join(const Settings& settings, const std::string& topic, Calls calls,
                                                       telemetry::Metrics* metrics) {
  auto impl = std::make_unique<Impl>(settings, topic, std::move(calls), metrics);
  TRY(impl->join());
  impl->thread = std::jthread([raw = impl.get()](const std::stop_token& stop) { raw->run(stop); });
  return std::unique_ptr<GroupMember>(new GroupMember(std::move(impl)));
}

Result<void> GroupMember::Impl::join() {
  auto made = std::make_unique<Client>(telemetry::Labels::value_type{"log", "group"}, metrics);
  made->on_rebalance([this, raw = made.get()](int what, void* partitions) {
    rebalance(*raw, static_cast<rd_kafka_resp_err_t>(what), static_cast<rd_kafka_topic_partition_list_t*>(partitions));
  });
  TRY(made->start(Role::consumer, settings));
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto asked = rd_kafka_subscribe(made->get(), topics.get()); asked != RD_KAFKA_RESP_ERR_NO_ERROR)
    return fail(ErrorKind::invalid, fmt::format("joining the group: {}", rd_kafka_err2str(asked)));
  const std::lock_guard lock(asking);
  client = std::move(made);
  return {};
}

void GroupMember::Impl::run(const std::stop_token& stop) {
  name_this_thread("log-group");
  while (!stop.stop_requested())
    if ((!poll() || expelled()) && !start_anew(stop)) return;
  depart();
  over = true;
}

// One that only ended would be waited for; this tells the others. It has no id any more once it is on its way.
void GroupMember::Impl::depart() {
  rd_kafka_unsubscribe(handle());
  const auto deadline = std::chrono::steady_clock::now() + kLeaveWithin;
  do static_cast<void>(poll());
  while ((holds_any() || !id_of(handle()).empty()) && std::chrono::steady_clock::now() < deadline);
  static_cast<void>(poll());
  drop_all();
}

// Nothing is fetched: what comes is about the group. False: with this client it is over.
bool GroupMember::Impl::poll() {
  rd_kafka_message_t* const said = rd_kafka_consumer_poll(handle(), kPoll);
  if (said == nullptr) return true;
  const auto code = said->err;
  if (code != RD_KAFKA_RESP_ERR__FATAL && code != RD_KAFKA_RESP_ERR__PARTITION_EOF)
    note(code == RD_KAFKA_RESP_ERR_NO_ERROR ? "" : rd_kafka_message_errstr(said));
  rd_kafka_message_destroy(said);
  return code != RD_KAFKA_RESP_ERR__FATAL;
}

// Told once for as long as it stays the same.
void GroupMember::Impl::note(std::string said) {
  const std::lock_guard lock(mutex);
  if (!said.empty() && said != trouble) log_warning("kafka", "group: {}", said);
  trouble = std::move(said);
}

// The group may have given to others what this member has, which nobody has told it.
bool GroupMember::Impl::expelled() const {
  const std::string id = id_of(handle());
  const std::lock_guard lock(mutex);
  return std::ranges::any_of(held, [&](const auto& entry) { return entry.second.as != id; });
}

void GroupMember::Impl::drop_all() {
  std::vector<int> had;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [partition, holding] : held) had.push_back(partition);
    held.clear();
  }
  if (!had.empty()) calls.losing(had, true);
}

// Brokers that were slow to answer may take one and the same member for two, when it had to ask twice. Another process by the
// same name would do it again and again.
bool GroupMember::Impl::start_anew(const std::stop_token& stop) {
  char why[512] = "";
  const auto code = rd_kafka_fatal_error(handle(), why, sizeof why);
  drop_all();
  // It has joined again by itself, by another id, which would hold what it is given until its session ends.
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) depart();
  std::unique_ptr<Client> old;
  {
    const std::lock_guard lock(asking);
    old = std::move(client);
  }
  old.reset();  // may have something to say about partitions, and so not under the lock
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    log_warning("kafka", "group: it has gone on without this process, which was silent for too long; joining anew");
    const auto joined = join();
    if (joined) return true;
    const std::lock_guard lock(mutex);
    failure = joined.error();
    return false;
  }
  const auto now = std::chrono::steady_clock::now();
  fenced.push_back(now);
  while (fenced.front() < now - kFencedOfLate) fenced.pop_front();
  Error error{ErrorKind::conflict, fmt::format("the group cannot be joined: {}", why)};
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
    if (fenced.size() < kFencedMax && !stop.stop_requested()) {
      log_warning("kafka", "group: {}; joining anew", why);
      const auto joined = join();
      if (joined) return true;
      error = joined.error();
    } else {
      error.message = "another process of the group has the same name; is its data folder a copy of this one's?";
    }
  }
  const std::lock_guard lock(mutex);
  failure = std::move(error);
  return false;
}

void GroupMember::Impl::rebalance(const Client& of, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions) {
  ++rebalances;
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) gain(of, partitions);
  else lose(of, partitions);
}

void GroupMember::Impl::gain(const Client& of, rd_kafka_topic_partition_list_t* partitions) {
  for (int i = 0; i < partitions->cnt; ++i) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
  if (rd_kafka_error_t* const error = rd_kafka_incremental_assign(of.get(), partitions)) {
    log_warning("kafka", "group: {}", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return;
  }
  rd_kafka_pause_partitions(of.get(), partitions);
  note({});
  std::vector<Holding> gained;
  const std::string as = id_of(of.get());
  {
    const std::lock_guard lock(mutex);
    for (const int partition : numbers_of(*partitions)) {
      held[partition] = {++last_term, as};
      gained.push_back({partition, last_term});
    }
  }
  if (!gained.empty() && !over) calls.gained(gained);
}

// The member joins anew only once this is over; until then a membership that is asked for is not of a later time.
void GroupMember::Impl::lose(const Client& of, rd_kafka_topic_partition_list_t* partitions) {
  const auto numbers = numbers_of(*partitions);
  const bool lost = rd_kafka_assignment_lost(of.get()) != 0;
  if (lost) forget(numbers);
  if (!numbers.empty() && !over) calls.losing(numbers, lost);
  forget(numbers);
  if (rd_kafka_error_t* const error = rd_kafka_incremental_unassign(of.get(), partitions)) {
    log_warning("kafka", "group: {}", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
  }
}

void GroupMember::Impl::forget(const std::vector<int>& partitions) {
  const std::lock_guard lock(mutex);
  for (const int partition : partitions) held.erase(partition);
}

bool GroupMember::Impl::holds_any() const {
  const std::lock_guard lock(mutex);
  return !held.empty();
}

// What is held with the same term after it was asked for was held then.
std::optional<Membership> GroupMember::membership(std::span<const Holding> about) const {
  auto asked = impl_->ask_membership();
  if (!asked) return std::nullopt;
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [partition, term] : about) {
    const auto found = impl_->held.find(partition);
    if (found == impl_->held.end() || found->second.term != term || found->second.as != asked->id) return std::nullopt;
  }
  return std::move(asked->membership);
}

std::optional<GroupMember::Impl::Asked> GroupMember::Impl::ask_membership() const {
  const std::lock_guard lock(asking);
  auto* const made = client ? rd_kafka_consumer_group_metadata(handle()) : nullptr;
  if (made == nullptr) return std::nullopt;
  Membership membership(made);
  // Asked for after that, so it cannot be of a time before; and no member ever gets an id again.
  std::string id = id_of(handle());
  if (id.empty()) return std::nullopt;
  return Asked{std::move(membership), std::move(id)};
}

bool GroupMember::holds(const Holding& what) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->held.find(what.partition);
  return found != impl_->held.end() && found->second.term == what.term;
}

std::optional<Error> GroupMember::failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

std::string GroupMember::trouble() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->held.empty() ? impl_->trouble : std::string();
}

std::uint64_t GroupMember::rebalances() const { return impl_->rebalances; }

}  // namespace penstock::kafka
