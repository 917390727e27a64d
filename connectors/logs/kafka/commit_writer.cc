#include "connectors/logs/kafka/commit_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include "connectors/logs/kafka/facts_header.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/event/event_bytes.h"

namespace penstock::logs::kafka {
namespace {

using penstock::kafka::Holding;
using penstock::kafka::Membership;
using penstock::kafka::Transactions;

constexpr Duration kTakeOverAtStart{60'000};
// While the members of the group agree on who has what. Each look that brokers refuse costs them a transaction.
constexpr std::chrono::milliseconds kGroupChanges{20};
constexpr std::chrono::milliseconds kGroupChangesMax{1'000};
constexpr std::size_t kGroupMax = 32 << 20;
// What a message has besides its key, value and header, and a batch of one message around it.
constexpr std::size_t kAroundMessage = 256;
// A marker of a transaction takes an offset in each partition that it wrote to.
constexpr std::uint64_t kMarker = 1;

Uuid random_uuid() {
  std::random_device random;
  Uuid made;
  for (auto& byte : made.bytes) byte = static_cast<std::uint8_t>(random());
  return made;
}

Attachment attachment_of(const LogRecord& record, std::size_t chunk, std::uint32_t event) {
  return chunk < record.attachments.size() ? record.attachments[chunk].of(event) : Attachment{};
}

Error lost_shard() { return {ErrorKind::unavailable, "the share of the input has gone to another process"}; }

std::size_t size_of(const LogRecord& changes) {
  std::size_t sum = 0;
  for (const auto& each : changes.attachments) sum += each.bytes();
  for (const auto& letter : changes.dead) sum += letter.body.size() + letter.reason.size();
  for (const auto& change : changes.state) sum += change.key.size() + change.value.size();
  for (const auto& position : changes.positions) sum += position.position.size();
  return sum;
}

}  // namespace

CommitWriter::CommitWriter(const Around& around)
    : around_(around),
      holder_(around.group == nullptr ? random_uuid() : Uuid::parse(around.config.instance).value_or(Uuid())),
      sources_(around.group == nullptr ? std::string() : encode(around.config.sources)),
      next_(static_cast<std::size_t>(around.partitions), 0) {}

Result<std::unique_ptr<CommitWriter>> CommitWriter::open(const Around& around) {
  std::unique_ptr<CommitWriter> writer(new CommitWriter(around));
  const auto deadline = std::chrono::steady_clock::now() + kTakeOverAtStart;
  for (;;) {
    auto taken = writer->take_over();
    if (taken && around.group == nullptr) taken = writer->claim();
    if (taken) break;
    if (taken.error().kind != ErrorKind::unavailable || std::chrono::steady_clock::now() > deadline)
      return fail(std::move(taken).error());
    writer->use(nullptr);
  }
  writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  return writer;
}

CommitWriter::~CommitWriter() { close(); }

Result<CommitWriter::Waiting> CommitWriter::prepare(LogRecord record) const {
  Waiting waiting;
  const auto too_large = [](std::size_t bytes, std::uint64_t most) {
    return fail(ErrorKind::limit,
                fmt::format("append: a message of {} bytes; its topic takes {}, see max.message.bytes", bytes, most));
  };
  waiting.chunks = std::move(record.open_chunks);
  for (std::string& stored : record.chunks) {
    auto chunk = Chunk::open(std::move(stored));
    if (!chunk) return fail(ErrorKind::invalid, "append: " + chunk.error().message);
    waiting.chunks.push_back(*std::move(chunk));
  }
  record.chunks.clear();
  record.open_chunks.clear();
  for (std::size_t c = 0; c < waiting.chunks.size(); ++c) {
    const Chunk& chunk = *waiting.chunks[c];
    waiting.bytes += chunk.memory();
    if (chunk.partition() >= around_.partitions) {
      return fail(ErrorKind::invalid, fmt::format("append: a chunk of partition {} in a log of {} partitions",
                                                  chunk.partition(), around_.partitions));
    }
    for (std::uint32_t i = 0; i < chunk.size(); ++i) {
      auto body = chunk.body(i);
      if (!body) return fail(ErrorKind::invalid, "append: " + body.error().message);
      const std::size_t bytes = event_bytes(chunk.facts(i), *body) + attachment_of(record, c, i).bytes();
      if (bytes > event_bytes_max()) return too_large(bytes, around_.events_max);
    }
  }
  waiting.changes = std::move(record);
  for (const StateRow& row : encode_rows(waiting.changes, {})) {
    const std::size_t bytes = row.key.size() + row.value.size();
    if (bytes + kAroundMessage > around_.state_max) return too_large(bytes, around_.state_max);
  }
  waiting.bytes += size_of(waiting.changes);
  return waiting;
}

void CommitWriter::append(LogRecord record, AppendDone done) {
  auto prepared = prepare(std::move(record));
  // One that fails alone keeps its place among the answers.
  Waiting waiting = prepared ? *std::move(prepared) : Waiting{};
  waiting.done =
      prepared ? std::move(done)
               : [done = std::move(done), why = prepared.error()](const Result<Appended>&) mutable { done(fail(why)); };
  waiting.impossible = !prepared;
  queue(std::move(waiting));
}

void CommitWriter::queue(Waiting waiting) {
  std::unique_lock lock(mutex_);
  const auto term = terms_.find(waiting.changes.shard);
  const bool lost = around_.group != nullptr && !waiting.impossible && term == terms_.end();
  if (closed_ || failure_ || lost) {
    const Error refused = lost ? lost_shard() : Error{ErrorKind::stopped, "the log is closed"};
    const Error why = failure_.value_or(refused);
    lock.unlock();
    return waiting.done(fail(why));
  }
  if (term != terms_.end()) waiting.term = term->second;
  pending_bytes_ += waiting.bytes;
  queue_.push_back(std::move(waiting));
  lock.unlock();
  filled_.notify_one();
}

// In a group only.
Result<void> CommitWriter::adopt(const Holding& shard, const Commit& newest) {
  {
    const std::lock_guard lock(mutex_);
    terms_[shard.partition] = shard.term;
  }
  Waiting waiting;
  waiting.changes.shard = shard.partition;
  waiting.changes.chain_version = newest.chain_version;
  waiting.adopted = newest;
  auto done = queue_and_wait(std::move(waiting));
  if (!done) let_go(shard.partition);
  return done;
}

Result<void> CommitWriter::release(int shard) {
  Waiting waiting;
  waiting.changes.shard = shard;
  waiting.releases = true;
  return queue_and_wait(std::move(waiting));
}

Result<void> CommitWriter::queue_and_wait(Waiting waiting) {
  std::promise<Result<void>> answer;
  waiting.done = [&](Result<Appended> appended) {
    answer.set_value(appended ? Result<void>() : fail(std::move(appended).error()));
  };
  queue(std::move(waiting));
  return answer.get_future().get();
}

void CommitWriter::let_go(int shard) {
  const std::lock_guard lock(mutex_);
  terms_.erase(shard);
}

std::size_t CommitWriter::event_bytes_max() const {
  return around_.events_max - std::min<std::uint64_t>(around_.events_max, kAroundMessage);
}

std::size_t CommitWriter::letter_bytes_max() const {
  return around_.state_max - std::min<std::uint64_t>(around_.state_max, 2 * kAroundMessage);
}

std::size_t CommitWriter::pending_bytes() const {
  const std::lock_guard lock(mutex_);
  return pending_bytes_;
}

std::optional<Error> CommitWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void CommitWriter::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_all();
  const std::lock_guard one(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void CommitWriter::run() {
  name_this_thread("log-events");
  for (;;) {
    Group group = take_group();
    if (group.empty()) break;
    set_busy(around_.clock.steady());
    commit(std::move(group));
    set_busy(std::nullopt);
  }
  use(nullptr);
  rows_.clear();
}

// Empty: the log is closed, and nothing is left.
CommitWriter::Group CommitWriter::take_group() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [&] { return !queue_.empty() || closed_; });
  Group group;
  std::size_t bytes = 0;
  while (!queue_.empty() && (group.empty() || bytes + queue_.front().bytes <= kGroupMax)) {
    bytes += queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

CommitWriter::Group CommitWriter::take_queued() {
  const std::lock_guard lock(mutex_);
  Group group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.end()));
  queue_.clear();
  return group;
}

void CommitWriter::commit(Group group) {
  if (const auto failed = given_up_ ? given_up_ : failure()) return answer(std::move(group), failed);
  auto written = around_.group == nullptr ? write(group, std::nullopt) : write_as_member(group);
  weigh_time(written.has_value());
  if (written) return answer(std::move(group), std::nullopt);
  const auto fate = fate_of(group, std::move(written).error());
  if (!fate) return answer(std::move(group), std::nullopt);
  std::ranges::move(take_queued(), std::back_inserter(group));
  answer(std::move(group), fate);
}

// Until the brokers know the group as this process does. What is not of it any more is answered meanwhile.
Result<void> CommitWriter::write_as_member(Group& group) {
  for (auto wait = kGroupChanges;;) {
    answer_lost(group);
    if (group.empty()) return {};
    TRY_ASSIGN(const auto member, membership_for(group));
    auto written = member ? write(group, member) : Result<void>(fail(ErrorKind::conflict, "the group is changing"));
    if (written || written.error().kind != ErrorKind::conflict) return written;
    if (member) {
      TRY(transactions_->abort());
      wait = std::min(2 * wait, kGroupChangesMax);
    }
    if (pause(wait)) return fail(ErrorKind::unavailable, "the log was closed while the group was changing");
  }
}

void CommitWriter::answer_lost(Group& group) {
  const auto held = [&](const Waiting& waiting) {
    return waiting.impossible || around_.group->holds({waiting.changes.shard, waiting.term});
  };
  const auto lost = std::ranges::stable_partition(group, held);
  Group gone(std::make_move_iterator(lost.begin()), std::make_move_iterator(lost.end()));
  group.erase(lost.begin(), lost.end());
  answer(std::move(gone), lost_shard());
}

Result<std::optional<Membership>> CommitWriter::membership_for(const Group& group) const {
  std::vector<Holding> about;
  for (const Waiting& waiting : group)
    if (!waiting.impossible) about.push_back({waiting.changes.shard, waiting.term});
  return around_.group->membership(about);
}

// Where the shards that these are of stand after them.
std::map<int, std::uint64_t> CommitWriter::after(const Group& group) const {
  std::map<int, std::uint64_t> expected;
  for (const Waiting& waiting : group) {
    if (waiting.impossible) continue;
    const int shard = waiting.changes.shard;
    const auto known = newest_.find(shard);
    if (waiting.adopted) expected[shard] = waiting.adopted->next_sequence;
    else if (known != newest_.end()) expected.try_emplace(shard, known->second.next_sequence);
    ++expected[shard];
  }
  return expected;
}

Result<void> CommitWriter::write(Group& group, const std::optional<Membership>& member) {
  Newest newest = newest_;
  Offsets next = next_;
  rows_.clear();
  const auto state = transactions_->topic(around_.config.state_topic());
  const auto written = after(group);
  if (written.empty()) return {};
  begun_at_ = around_.clock.steady();
  TRY(transactions_->begin());
  // Before anything else: what a membership of the past would write then never stands in anybody's way.
  if (member) TRY(transactions_->send_offsets(*member, around_.config.state_topic(), {written.begin(), written.end()}));
  for (Waiting& waiting : group) {
    if (waiting.impossible) continue;
    const int shard = waiting.changes.shard;
    Commit& of_shard = newest[shard];
    if (waiting.adopted) of_shard = *waiting.adopted;
    of_shard.holder = waiting.releases ? Uuid() : holder_;
    of_shard.sources = sources_;
    TRY(send_events(waiting, next));
    if (!waiting.releases) of_shard.chain_version = waiting.changes.chain_version;
    if (around_.captured_read) {
      const auto read = around_.captured_read(waiting.changes);
      of_shard.captured_read = std::max(of_shard.captured_read, read.value_or(0));
    }
    waiting.appended = {of_shard.next_sequence++, next};
    waiting.changes.chain_version = of_shard.chain_version;
    rows_.push_back(encode_rows(waiting.changes, of_shard));
    for (const StateRow& row : rows_.back()) TRY(transactions_->send(state, shard, row.key, row.value, {}));
  }
  TRY(transactions_->commit());
  for (std::size_t p = 0; p < next.size(); ++p) next_[p] = next[p] + (next[p] > next_[p] ? kMarker : 0);
  for (Waiting& waiting : group) {
    if (&waiting == &group.back()) waiting.appended.next = next_;
  }
  newest_ = std::move(newest);
  for (const auto& [shard, sequence] : written) around_.shard_reaches[static_cast<std::size_t>(shard)].grow({}, sequence);
  around_.reach.grow(next_, newest_.begin()->second.next_sequence);
  return {};
}

Result<void> CommitWriter::send_events(const Waiting& waiting, Offsets& next) {
  const Timestamp now = around_.clock.now();
  for (std::size_t c = 0; c < waiting.chunks.size(); ++c) {
    const Chunk& chunk = *waiting.chunks[c];
    for (std::uint32_t i = 0; i < chunk.size(); ++i) TRY(send_event(chunk, i, attachment_of(waiting.changes, c, i), now));
    next[static_cast<std::size_t>(chunk.partition())] += chunk.size();
  }
  return {};
}

Result<void> CommitWriter::send_event(const Chunk& chunk, std::uint32_t index, const Attachment& attachment, Timestamp now) {
  const Facts& facts = chunk.facts(index);
  const bool has_id = !facts.distinct_id.empty();
  const auto key = attachment.key ? attachment.key : has_id ? std::optional(facts.distinct_id) : std::nullopt;
  TRY_ASSIGN(const std::string_view body, chunk.body(index));
  headers_.clear();
  if (around_.config.facts == FactsForm::header && !body.empty()) {
    facts_header_.clear();
    encode_facts(facts, key.value_or(std::string_view()), facts_header_);
    headers_.push_back({kFactsHeader, facts_header_});
  }
  if (!attachment.headers.empty()) {
    attached_.clear();
    read_headers(attachment.headers, attached_);
    for (const auto& [name, value] : attached_)
      if (name != kFactsHeader) headers_.push_back({name, value});
  }
  const auto value = body.empty() ? std::nullopt : std::optional(body);  // an event has a body, a tombstone has none
  return transactions_->send(events_topic_, chunk.partition(), key, value,
                             {headers_, around_.times.taken(attachment.time, now)});
}

// True: the log is being closed, and there is no time to wait.
bool CommitWriter::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return filled_.wait_for(lock, time, [&] { return closed_; });
}

void CommitWriter::answer(Group group, const std::optional<Error>& error) {
  for (Waiting& waiting : group) {
    {
      const std::lock_guard lock(mutex_);
      pending_bytes_ -= waiting.bytes;
    }
    waiting.done(error ? Result<Appended>(fail(*error)) : Result<Appended>(std::move(waiting.appended)));
  }
}

}  // namespace penstock::logs::kafka
