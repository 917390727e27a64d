#include "connectors/logs/kafka/kafka_log.h"

#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <mutex>
#include <numeric>
#include <utility>

#include "connectors/logs/kafka/captured_reader.h"
#include "connectors/logs/kafka/captured_writer.h"
#include "connectors/logs/kafka/commit_writer.h"
#include "connectors/logs/kafka/event_tail.h"
#include "connectors/logs/kafka/reach.h"
#include "connectors/logs/kafka/shard_log.h"
#include "connectors/logs/kafka/shard_takeover.h"
#include "connectors/logs/kafka/state_reader.h"
#include "connectors/logs/kafka/topics.h"
#include "pipeline/base/log.h"
#include "pipeline/kafka/pause.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Beginning;
using penstock::kafka::Consumer;
using penstock::kafka::GroupMember;
using penstock::kafka::Holding;
using penstock::kafka::Membership;
using penstock::kafka::TopicAdmin;

constexpr Duration kBrokerWithin{30'000};
constexpr Duration kBetweenTries{500};
constexpr Duration kPatience{10'000};
constexpr Duration kLookWithin{2'000};  // of what is done again and again: who stops the process waits for it
constexpr int kMissesTold = 2;  // one may be a broker that is busy
constexpr Bytes kTailKept = 8_MiB;
// Each look asks for every partition.
constexpr std::chrono::seconds kBetweenLooks{10};

// A broker that is being restarted is no reason not to start.
Result<std::string> wait_for_broker(TopicAdmin& admin, const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + kBrokerWithin;
  for (bool told = false;; told = true) {
    auto cluster = admin.cluster(kPatience);
    const bool again = !cluster && cluster.error().kind == ErrorKind::unavailable;
    if (!again || std::chrono::steady_clock::now() > deadline) return cluster;
    if (!told) log_warning("log", "{}; trying for {} s", cluster.error().message, kBrokerWithin.count() / 1000);
    if (!penstock::kafka::pause(kBetweenTries, stop)) return fail(ErrorKind::stopped, cluster.error().message);
  }
}

}  // namespace

struct KafkaLog::Impl {
  Impl(Config given, const Around& surroundings, std::unique_ptr<TopicAdmin> for_topics, std::unique_ptr<Consumer> to_look,
       Topics found, std::string cluster)
      : config(std::move(given)), around(surroundings), admin(std::move(for_topics)), looker(std::move(to_look)),
        topics(found), identity(fmt::format("{} {}", cluster, config.events_topic())), captured_reach(found.partitions),
        events_reach(found.partitions, around.metrics) {
    for (int shard = 0; shard < found.shards; ++shard) shard_reaches.emplace_back(0);
  }

  Reach& reach(LogName log) { return log == LogName::captured ? captured_reach : events_reach; }
  const Reach& reach(LogName log) const { return log == LogName::captured ? captured_reach : events_reach; }
  Result<void> start();
  std::shared_ptr<GroupMember> group_member() const;
  std::shared_ptr<EventTail> shared_tail();
  Result<void> look_at_ends();
  Result<Trimmed> look_at_events();
  Result<void> look_at_shards();
  void tell_of_sources(std::string differ);
  Result<Trimmed> trim_captured(const TrimLimits& limits);
  void note_reach(const std::optional<Error>& missed);
  int refused_looks() {
    const std::lock_guard lock(out_of_reach_mutex);
    return misses;
  }

  const Config config;
  const Around around;
  const std::unique_ptr<TopicAdmin> admin;  // guarded by trimming once the log is open
  const std::unique_ptr<Consumer> looker;
  const Topics topics;
  const std::string identity;
  Reach captured_reach;
  Reach events_reach;
  std::mutex tail_mutex;
  std::weak_ptr<EventTail> tail;  // guarded by tail_mutex; of the readers that there are
  std::mutex trimming;
  std::chrono::steady_clock::time_point looked_at;  // guarded by trimming
  std::chrono::steady_clock::time_point looked_at_shards;  // guarded by trimming
  std::uint64_t read_by_all_shards = 0;  // guarded by trimming; of `captured`, at least
  mutable std::mutex differ_mutex;
  std::string sources_differ;  // guarded by differ_mutex
  std::mutex out_of_reach_mutex;
  int misses = 0;  // looks in a row that found no broker while nothing was written; guarded by out_of_reach_mutex
  std::uint64_t durable_at_look = 0;  // guarded by out_of_reach_mutex; of records and events
  std::optional<Error> out_of_reach;  // guarded by out_of_reach_mutex
  std::deque<Reach> shard_reaches;  // where records of each shard's changes end
  const GroupOfShards group{[this](std::span<const Holding> about) {
                              const auto asked = group_member();
                              return asked ? asked->membership(about) : std::nullopt;
                            },
                            [this](const Holding& what) {
                              const auto asked = group_member();
                              return asked && asked->holds(what);
                            }};
  mutable std::mutex member_mutex;
  std::shared_ptr<GroupMember> member;  // guarded by member_mutex; null before it joins and after it left
  std::unique_ptr<CapturedWriter> captured;
  std::unique_ptr<CommitWriter> commits;
};

Result<std::unique_ptr<KafkaLog>> KafkaLog::open(Config config, const Around& around) {
  TRY_ASSIGN(auto admin, TopicAdmin::start(admin_settings(config), {"log", "admin"}, nullptr, around.stop));
  TRY_ASSIGN(auto cluster, wait_for_broker(*admin, around.stop));
  TRY_ASSIGN(const Topics topics, prepare_topics(*admin, config, kPatience, around.stop));
  if (topics.shards > topics.partitions) {
    return fail(ErrorKind::invalid, fmt::format("`shards` is {}, but topic '{}' has {} partitions, and each shard needs one",
                                                topics.shards, config.events_topic(), topics.partitions));
  }
  TRY_ASSIGN(auto looker, Consumer::start(reader_settings(config), {"log", "looker"}, nullptr));
  auto impl =
      std::make_unique<Impl>(std::move(config), around, std::move(admin), std::move(looker), topics, std::move(cluster));
  TRY(impl->start());
  return std::unique_ptr<KafkaLog>(new KafkaLog(std::move(impl)));
}

Result<void> KafkaLog::Impl::start() {
  TRY_ASSIGN(captured, CapturedWriter::open({config, topics.partitions, topics.captured_max, *looker, captured_reach,
                                             around.clock, around.metrics}));
  const bool shared = topics.shards > 1;
  TRY_ASSIGN(commits, CommitWriter::open({config, topics.partitions, topics.events_max, topics.times, topics.state_max,
                                          *looker, events_reach, shard_reaches, around.clock, shared ? &group : nullptr,
                                          around.metrics, shared ? around.captured_read : nullptr, around.stop}));
  return {};
}

// What is asked of it may take a while, and nobody else is to wait for that.
std::shared_ptr<GroupMember> KafkaLog::Impl::group_member() const {
  const std::lock_guard lock(member_mutex);
  return member;
}

// What other processes wrote is known here once it is read, or looked for.
Result<void> KafkaLog::Impl::look_at_ends() {
  Offsets end(static_cast<std::size_t>(topics.partitions));
  TRY_ASSIGN(const auto events, looker->bounds_of_all(config.events_topic(), end.size(), kPatience));
  for (std::size_t p = 0; p < end.size(); ++p) end[p] = events[p].second;
  events_reach.grow(end, 0);
  TRY_ASSIGN(const auto bounds, looker->bounds({config.captured_topic(), 0}, kPatience));
  captured_reach.grow(Offsets(end.size(), 0), bounds.second);
  return {};
}

std::shared_ptr<EventTail> KafkaLog::Impl::shared_tail() {
  const std::lock_guard lock(tail_mutex);
  auto running = tail.lock();
  if (!running) tail = running = std::make_shared<EventTail>(config, events_reach, around.memory, kTailKept);
  return running;
}

KafkaLog::KafkaLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaLog::~KafkaLog() = default;

const std::string& KafkaLog::identity() const { return impl_->identity; }
std::size_t KafkaLog::event_bytes_max() const { return impl_->commits->event_bytes_max(); }
bool KafkaLog::keeps_attachments() const { return impl_->config.is_direct(); }
std::size_t KafkaLog::letter_bytes_max() const { return impl_->commits->letter_bytes_max(); }
int KafkaLog::partitions() const { return impl_->topics.partitions; }
int KafkaLog::shards() const { return impl_->topics.shards; }

Result<void> KafkaLog::join(GroupMember::Calls calls) {
  const std::lock_guard lock(impl_->member_mutex);
  TRY_ASSIGN(impl_->member, GroupMember::join(member_settings(impl_->config), impl_->config.state_topic(), std::move(calls),
                                              impl_->around.metrics));
  return {};
}

// What it gives back is still written by it, so it is there until the end of that.
void KafkaLog::leave() {
  if (const auto leaving = impl_->group_member()) leaving->leave();
}

Result<std::unique_ptr<Log>> KafkaLog::take(const Holding& shard, const std::stop_token& stop) {
  TRY_ASSIGN(const Commit newest, settle_shard(impl_->config, shard.partition, impl_->commits->holder(), stop));
  TRY(impl_->commits->adopt(shard, newest));
  TRY(impl_->look_at_ends());
  return std::make_unique<ShardLog>(*this, shard.partition);
}

Result<void> KafkaLog::wait_for_undecided(const std::stop_token& stop) {
  TRY(kafka::wait_for_undecided(impl_->config, partitions(), stop));
  return impl_->look_at_ends();
}

Result<void> KafkaLog::release(int shard) { return impl_->commits->release(shard); }
void KafkaLog::let_go(int shard) { impl_->commits->let_go(shard); }

Result<std::unique_ptr<LogReader>> KafkaLog::read_changes(int shard, std::uint64_t sequence) {
  Reach& reach = impl_->shard_reaches.at(static_cast<std::size_t>(shard));
  if (sequence > reach.next_sequence()) {
    return fail(ErrorKind::invalid, fmt::format("record {} of shard {} is asked for, but the log ends before record {}",
                                                sequence, shard, reach.next_sequence()));
  }
  return StateReader::open(impl_->config, reach, shard, sequence);
}

std::uint64_t KafkaLog::next_of_shard(int shard) const {
  return impl_->shard_reaches.at(static_cast<std::size_t>(shard)).next_sequence();
}

Result<void> KafkaLog::look_at_ends() { return impl_->look_at_ends(); }

std::uint64_t KafkaLog::rebalances() const {
  const auto member = impl_->group_member();
  return member ? member->rebalances() : 0;
}

std::string KafkaLog::group_trouble() const {
  const auto member = impl_->group_member();
  return member ? member->trouble() : std::string();
}

std::string KafkaLog::sources_differ() const {
  const std::lock_guard lock(impl_->differ_mutex);
  return impl_->sources_differ;
}

void KafkaLog::append(LogName log, LogRecord record, AppendDone done) {
  if (log == LogName::captured) impl_->captured->append(std::move(record), std::move(done));
  else impl_->commits->append(std::move(record), std::move(done));
}

Result<std::unique_ptr<LogReader>> KafkaLog::read(LogName log, const Offsets& start) {
  if (start.size() > static_cast<std::size_t>(partitions())) {
    return fail(ErrorKind::invalid, fmt::format("offsets of {} partitions in a log of {}", start.size(), partitions()));
  }
  Offsets wanted = start;
  wanted.resize(static_cast<std::size_t>(partitions()), 0);
  if (log == LogName::events)
    return std::make_unique<SharedReader>(impl_->config, impl_->events_reach, impl_->around.memory, impl_->shared_tail(),
                                          std::move(wanted));
  TRY_ASSIGN(const auto bounds, impl_->looker->bounds({impl_->config.captured_topic(), 0}, kPatience));
  return CapturedReader::open(impl_->config, impl_->captured_reach, impl_->around.memory, bounds.first, {},
                              std::move(wanted));
}

Result<std::unique_ptr<LogReader>> KafkaLog::read_from_sequence(LogName log, std::uint64_t sequence) {
  return read_share(log, sequence, {});
}

Result<std::unique_ptr<LogReader>> KafkaLog::read_share(LogName log, std::uint64_t sequence, PartitionShare share) {
  if (sequence > next_sequence(log)) {
    return fail(ErrorKind::invalid, fmt::format("record {} is asked for, but the log {} ends before record {}", sequence,
                                                to_string(log), next_sequence(log)));
  }
  if (log == LogName::events) return read_changes(0, sequence);
  // Of a partition that was added nothing has been read, so its readers ask for what was before it, and may be gone.
  if (impl_->captured->has_grown()) {
    TRY_ASSIGN(const auto bounds, impl_->looker->bounds({impl_->config.captured_topic(), 0}, kPatience));
    sequence = std::max(sequence, bounds.first);
  }
  return CapturedReader::open(impl_->config, impl_->captured_reach, impl_->around.memory, sequence, share);
}

Result<Offsets> KafkaLog::offsets_at(LogName log, Timestamp time) {
  if (log == LogName::captured) {
    TRY_ASSIGN(const auto sequence,
               impl_->looker->find({impl_->config.captured_topic(), 0}, {Beginning::Kind::time, time}, kPatience));
    TRY_ASSIGN(const auto reader, CapturedReader::open(impl_->config, impl_->captured_reach, nullptr, sequence, {}));
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) return end(log);
    Offsets offsets = record->next;
    for (const auto& chunk : record->chunks) offsets[static_cast<std::size_t>(chunk->partition())] -= chunk->size();
    return offsets;
  }
  Offsets offsets = end(log);
  TRY_ASSIGN(const auto found,
             impl_->looker->find_time_in_all(impl_->config.events_topic(), offsets.size(), time, kPatience));
  for (std::size_t p = 0; p < offsets.size(); ++p) offsets[p] = found[p].value_or(offsets[p]);
  return offsets;
}

Result<Trimmed> KafkaLog::trim(LogName log, const TrimLimits& limits) {
  const std::lock_guard lock(impl_->trimming);
  return log == LogName::captured ? impl_->trim_captured(limits) : impl_->look_at_events();
}

// The looks of retention are those that happen also while nobody writes. Brokers that are slow to answer them may take what is written
// even so.
void KafkaLog::Impl::note_reach(const std::optional<Error>& missed) {
  const Offsets events = events_reach.end();
  const auto now = std::accumulate(events.begin(), events.end(), captured_reach.next_sequence());
  const std::lock_guard lock(out_of_reach_mutex);
  const bool has_grown = std::exchange(durable_at_look, now) != now;
  misses = missed && !has_grown ? misses + 1 : 0;
  if (misses == 0) out_of_reach.reset();
  else if (misses >= kMissesTold) out_of_reach = Error(*missed).context("the brokers of the log");
}

Result<Trimmed> KafkaLog::Impl::look_at_events() {
  const auto now = std::chrono::steady_clock::now();
  if (now < looked_at + kBetweenLooks || refused_looks() > 0) return Trimmed{};
  looked_at = now;
  const Offsets before = events_reach.begin();
  Trimmed gone;
  TRY_ASSIGN(const auto bounds, looker->bounds_of_all(config.events_topic(), before.size(), kLookWithin));
  for (std::size_t p = 0; p < before.size(); ++p) {
    const std::uint64_t first = bounds[p].first;
    events_reach.begin_at(p, first);
    gone.events += first - std::min(first, before[p]);
  }
  return gone;
}

// By age only, and never what ingest has not committed.
Result<Trimmed> KafkaLog::Impl::trim_captured(const TrimLimits& limits) {
  const penstock::kafka::TopicPartition at{config.captured_topic(), 0};
  const auto looked = looker->bounds(at, kLookWithin);
  note_reach(looked ? std::nullopt : std::optional(looked.error()));
  if (!looked) return Trimmed{};  // `refusal` says so, and nothing else is looked for meanwhile
  const auto& bounds = *looked;
  if (topics.shards > 1) TRY(look_at_shards());
  if (limits.older_than.ms <= 0 || bounds.first >= limits.before_sequence) return Trimmed{};
  TRY_ASSIGN(const auto young, looker->find(at, {Beginning::Kind::time, limits.older_than}, kPatience));
  std::uint64_t before = std::min(young, limits.before_sequence);
  if (topics.shards > 1) before = std::min(before, read_by_all_shards);
  if (before <= bounds.first) return Trimmed{};
  TRY(admin->remove_before(at, before, kPatience));
  Trimmed gone;
  TRY_ASSIGN(const auto reader, CapturedReader::open(config, captured_reach, nullptr, before, {}));
  TRY_ASSIGN(const auto record, reader->next());
  Offsets begin = record ? record->next : captured_reach.end();
  if (record) {
    for (const auto& chunk : record->chunks) begin[static_cast<std::size_t>(chunk->partition())] -= chunk->size();
  }
  const Offsets old = captured_reach.begin();
  for (std::size_t p = 0; p < begin.size(); ++p) {
    captured_reach.begin_at(p, begin[p]);
    gone.events += begin[p] - std::min(begin[p], old[p]);
  }
  return gone;
}

// The newest commit of each says how far it has read `captured`, and by which sources, wherever that was made. One look is a client and
// a read of each shard.
Result<void> KafkaLog::Impl::look_at_shards() {
  const auto now = std::chrono::steady_clock::now();
  if (now < looked_at_shards + kBetweenLooks) return {};
  looked_at_shards = now;
  TRY_ASSIGN(const auto reader, Consumer::start(reader_settings(config), {"log", "trim"}, nullptr));
  std::uint64_t read = ~std::uint64_t{0};
  std::string differ;
  for (int shard = 0; shard < topics.shards; ++shard) {
    TRY_ASSIGN(const Commit newest, newest_commit(*reader, {config.state_topic(), shard}));
    read = std::min(read, newest.captured_read);
    if (!differ.empty() || newest.holder == Uuid() || newest.holder == commits->holder()) continue;
    if (const auto theirs = read_source_prints(newest.sources)) differ = difference(config.sources, *theirs, newest.holder);
  }
  read_by_all_shards = read;
  tell_of_sources(std::move(differ));
  return {};
}

void KafkaLog::Impl::tell_of_sources(std::string differ) {
  const std::lock_guard lock(differ_mutex);
  if (!differ.empty() && differ != sources_differ) log_warning("log", "{}", differ);
  sources_differ = std::move(differ);
}

Offsets KafkaLog::begin(LogName log) const { return impl_->reach(log).begin(); }
Offsets KafkaLog::end(LogName log) const { return impl_->reach(log).end(); }
std::uint64_t KafkaLog::next_sequence(LogName log) const { return impl_->reach(log).next_sequence(); }
std::uint64_t KafkaLog::bytes(LogName /*log*/) const { return 0; }
std::size_t KafkaLog::pending_bytes() const { return impl_->captured->pending_bytes() + impl_->commits->pending_bytes(); }
std::optional<Error> KafkaLog::failure() const {
  if (auto failed = impl_->commits->failure()) return failed;
  const auto member = impl_->group_member();
  return member ? member->failure() : std::nullopt;
}
std::optional<Error> KafkaLog::refusal() const {
  if (auto trouble = impl_->commits->trouble()) return trouble;
  const std::lock_guard lock(impl_->out_of_reach_mutex);
  return impl_->out_of_reach;
}

void KafkaLog::close() {
  leave();
  impl_->captured->close();
  impl_->commits->close();
}

}  // namespace penstock::logs::kafka
