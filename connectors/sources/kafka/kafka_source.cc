#include "connectors/sources/kafka/kafka_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/sources/kafka/kafka_partition.h"
#include "connectors/sources/kafka/positions.h"
#include "connectors/sources/kafka/raw_body.h"
#include "pipeline/kafka/group_commit.h"

namespace penstock::sources::kafka {
namespace {

using penstock::kafka::Beginning;
using penstock::kafka::Consumer;
using penstock::kafka::Received;
using penstock::kafka::TopicPartition;

constexpr std::size_t kTakenAtOnce = 500;
constexpr std::size_t kRefusedKept = 64 << 10;
// Then others may have their turn, if any waits.
constexpr std::size_t kTurnBytes = 16 << 20;
// The client says only once that a partition has nothing more.
constexpr Duration kTurnIdle{500};
// A text so long is never inside its std::string, which may be moved on.
constexpr std::size_t kNeverInside = 64;
constexpr Duration kGroupPatience{5000};
constexpr std::size_t kLagsShown = 1000;
constexpr std::string_view kTooLarge = "the message is larger than `message_max`";

std::optional<std::int64_t> time_of(const Received& message) {
  return message.timestamp().ms < 0 ? std::nullopt : std::optional(message.timestamp().ms);
}

// What is written to a topic before it is found is not to be passed over as what was there at the start.
Beginning since(Timestamp start, const Beginning& beginning) {
  return beginning.kind == Beginning::Kind::latest ? Beginning{Beginning::Kind::time, start} : beginning;
}

Config part_of(Config config, PartitionShare share) {
  config.memory.count =
      std::max(config.memory.count / static_cast<std::uint64_t>(share.of), KafkaSource::kShareMemoryMin.count);
  return config;
}

}  // namespace

KafkaSource::KafkaSource(Config config, const ConnectorContext& context)
    : config_(part_of(std::move(config), context.share)), share_(context.share), own_topics_(context.own_topics),
      trouble_(context.trouble), name_(context.name), clock_(context.clock), metrics_(context.metrics),
      tombstones_(metrics_ == nullptr ? telemetry::Counter()
                                      : metrics_->counter("penstock_kafka_tombstones_total",
                                                          "Tombstones: passed on by the direct route, else passed over.",
                                                          {{"source", name_}})),
      attachments_(context.attachments && !by_captured(config_)) {
  if (!config_.group.empty() && context.committed)
    progress_ = std::make_unique<GroupProgress>(name_, config_.group, client_settings(config_), context.committed);
}

KafkaSource::~KafkaSource() { close(); }

Result<void> KafkaSource::open(const std::vector<SourcePosition>& stored) {
  close();
  stored_ = stored;
  return start_for(1);
}

Result<void> KafkaSource::start_for(std::size_t expected) {
  TRY_ASSIGN(auto offsets, read_positions(stored_));
  partitions_expected_ = expected;
  room_told_ = read_ahead(config_, expected).fetch.count;
  finder_.reset();
  if (trouble_) trouble_({});
  consumer_.reset();
  TRY_ASSIGN(consumer_, Consumer::start(client_settings(config_, expected), {"source", name_}, metrics_));
  PartitionFinder::OfGroup of_group;
  if (begins_where_group_stands(config_)) {
    of_group = [this](const std::string& topic, int partitions) {
      return penstock::kafka::group_offsets(client_settings(config_), config_.group, topic, partitions, kGroupPatience);
    };
  }
  // One that is made later must not take for the latest what has come meanwhile.
  const auto beginning = of_later_ ? *of_later_ : beginning_of(config_);
  if (!of_later_) of_later_ = since(clock_.now(), beginning);
  finder_ = std::make_unique<PartitionFinder>(*consumer_, config_.topics, beginning, *of_later_, std::move(offsets),
                                              topics_of(stored_), config_.refresh, share_, std::move(of_group), own_topics_,
                                              trouble_);
  return {};
}

void KafkaSource::close() {
  finder_.reset();
  for (const auto& [at, partition] : partitions_) partition->lag.set(0);  // whoever reads on shows it
  turns_.clear();
  partitions_.clear();
  active_ = 0;
  topics_to_note_.clear();
  consumer_.reset();
  if (trouble_) trouble_({});
}

Result<PollState> KafkaSource::poll(RawBatch& out, std::size_t bytes_max) {
  out.clear();
  TRY(take_news(out.warnings));
  if (note_one(out)) return PollState::more;
  try_troubled_again();
  show_lag();
  begin_what_may();
  for (std::size_t i = turns_.size(); i > 0; --i) {
    Partition& partition = *turns_.front();
    const bool has_read = partition.active && read(partition, out, bytes_max);
    turns_.pop_front();
    turns_.push_back(&partition);
    if (has_read) return PollState::more;
  }
  return PollState::idle;
}

Result<void> KafkaSource::take_news(std::vector<SourceWarning>& warnings) {
  auto news = finder_->take();
  // Nothing has begun, and each is to have less: all of it is found again by another client, and told again.
  const bool first = partitions_expected_ == 1 && partitions_.empty();
  if (first && news.found.size() > partitions_at_once(config_)) return start_for(news.found.size());
  std::ranges::move(news.warnings, std::back_inserter(warnings));
  std::ranges::move(news.topics, std::back_inserter(topics_to_note_));
  for (auto& found : news.found) {
    auto& partition = partitions_[found.at];
    if (!partition) {
      partition = std::make_unique<Partition>(found.at);
      turns_.push_back(partition.get());
      if (metrics_ != nullptr && partitions_.size() <= kLagsShown) partition->lag = lag_of(found.at);
    }
    partition->next = found.position;
    partition->check = found.check;
    partition->to_note = !found.stored;
    partition->lost = false;
  }
  for (const auto& [topic, partitions] : news.back) look_again_at(topic, partitions);
  return {};
}

void KafkaSource::look_again_at(const std::string& topic, int partitions) {
  for (auto& [at, partition] : partitions_)
    if (at.topic == topic && at.partition < partitions && partition->active) check_again(*partition);
}

// Where a partition begins is committed before anything of it is: "latest" is another place the next time.
bool KafkaSource::note_one(RawBatch& out) {
  if (!topics_to_note_.empty()) {
    out.label = topics_to_note_.front();
    out.partition = known_topic(out.label);
    out.position = "known";
    topics_to_note_.pop_front();
    return true;
  }
  const auto found = std::ranges::find_if(turns_, [](const Partition* each) { return each->to_note; });
  if (found == turns_.end()) return false;
  Partition& partition = **found;
  partition.to_note = false;
  out.partition = partition.name;
  out.label = partition.label;
  out.position = to_text(partition.next);
  return true;
}

bool KafkaSource::turn_is_over(const Partition& partition) const {
  const bool idle = partition.at_end || clock_.steady() - partition.came >= kTurnIdle;
  return partition.active && !partition.gone && ((partition.waiting.empty() && idle) || partition.turn_bytes >= kTurnBytes);
}

// Whoever has waited longest for a turn is first.
void KafkaSource::begin_what_may() {
  const auto most = partitions_at_once(config_, partitions_expected_);
  for (;;) {
    Partition* next = nullptr;
    for (auto* each : turns_) {
      if (!each->active && !each->lost && (next == nullptr || each->came < next->came)) next = each;
    }
    if (next == nullptr) return;
    if (active_ >= most) {
      const auto over = std::ranges::find_if(turns_, [&](const Partition* each) { return turn_is_over(*each); });
      if (over == turns_.end()) return;
      stop(**over);
    }
    if (!give_turn(*next)) return;
  }
}

bool KafkaSource::give_turn(Partition& partition) {
  const bool checking = partition.check && partition.next.offset > 0;
  if (!consumer_->begin(partition.at, partition.next.offset - (checking ? 1 : 0))) return false;
  partition.checking = checking;
  partition.check = true;  // the next time
  partition.active = true;
  partition.at_end = false;
  partition.turn_bytes = 0;
  partition.came = clock_.steady();
  ++active_;
  return true;
}

void KafkaSource::stop(Partition& partition) {
  if (!partition.active) return;
  consumer_->stop(partition.at);
  partition.waiting.clear();
  partition.active = false;
  partition.came = clock_.steady();
  --active_;
}

// Of the batch's buffer: a body, then what is attached to it.
struct KafkaSource::Piece {
  std::size_t body_end = 0;
  std::size_t key_end = 0;
  std::size_t headers_end = 0;
  bool has_key = false;
  Timestamp time{};
};

bool KafkaSource::read(Partition& partition, RawBatch& out, std::size_t bytes_max) {
  if (partition.waiting.empty()) {
    std::vector<Received> taken;
    consumer_->take(partition.at, kTakenAtOnce, taken);
    std::ranges::move(taken, std::back_inserter(partition.waiting));
    if (!partition.waiting.empty()) partition.came = clock_.steady();
  }
  const auto before = partition.next.offset;
  std::vector<Piece> pieces;
  out.buffer.reserve(std::max(bytes_max, kNeverInside));
  while (!partition.waiting.empty() && partition.active && (out.buffer.empty() || out.buffer.size() < bytes_max)) {
    const Received message = std::move(partition.waiting.front());
    partition.waiting.pop_front();
    if (!is_same(partition, message)) continue;
    if (message.kind() != Received::Kind::message) {
      heed(partition, message, out.warnings);
      continue;
    }
    partition.at_end = false;
    if (message.offset() < partition.next.offset) continue;  // the one that was compared
    partition.next = {message.offset() + 1, time_of(message), partition.next.generation};
    const bool tombstone = config_.codec == Codec::json && !message.value();
    if (tombstone) tombstones_.add();
    if (tombstone && !attachments_) continue;
    pieces.push_back(take(message, partition, out));
  }
  view(pieces, out);
  if (partition.taken_bytes >= room_told_) {
    partition.taken_bytes = 0;
    consumer_->look_again(partition.at);
  }
  if (partition.next.offset == before) return false;
  out.partition = partition.name;
  out.label = partition.label;
  if (partition.next.generation > 0) out.origin = fmt::format("{}#{}", partition.name, partition.next.generation);
  out.position = to_text(partition.next);
  return true;
}

bool KafkaSource::is_same(Partition& partition, const Received& said) {
  const bool message = said.kind() == Received::Kind::message;
  if (!message && said.kind() != Received::Kind::end) return true;
  note_trouble(partition, {});
  if (partition.gone) {  // and is back: the client goes on where it was, whatever is there now
    check_again(partition);
    return false;
  }
  if (!std::exchange(partition.checking, false)) return true;
  auto& next = partition.next;
  if (said.offset() >= next.offset) return true;  // there is none before: removed, or a mark of a transaction
  const auto time = time_of(said);
  const bool same = message && (!next.before || next.before == time);
  if (message) next.before = next.before ? next.before : time;
  if (!same) find_again(partition, message);  // a leader that is new may say for a moment that the end is before it
  return same;
}

void KafkaSource::find_again(Partition& partition, bool anew) {
  come_back(partition);
  stop(partition);
  partition.lost = true;
  finder_->find_again(partition.at, partition.next, anew);
}

// Its messages begin to come anew.
void KafkaSource::check_again(Partition& partition) {
  come_back(partition);
  stop(partition);
  partition.at_end = false;
}

KafkaSource::Piece KafkaSource::take(const Received& message, Partition& partition, RawBatch& out) {
  const auto size = message.value().value_or("").size();
  const bool too_large = size > config_.message_max.count;
  const bool raw = config_.codec == Codec::raw;
  const bool tombstone = !raw && !message.value();
  if (too_large) out.buffer += message.value()->substr(0, kRefusedKept);
  else if (raw) append_raw_body(out.buffer, partition.at, message);
  else out.buffer += message.value().value_or(std::string_view());
  out.records.push_back({.body = {},
                         .offset = message.offset(),
                         .refused = too_large ? kTooLarge : std::string_view(),
                         .tombstone = tombstone});
  partition.turn_bytes += size;
  partition.taken_bytes += size;
  mean_bytes_ += (static_cast<double>(size) - mean_bytes_) / 100;
  Piece piece{.body_end = out.buffer.size()};
  if (!attachments_) return piece;
  const auto key = message.key();
  piece.has_key = key && (tombstone || config_.key == KeyedBy::none);  // of a tombstone it is all there is
  if (piece.has_key) out.buffer += *key;
  piece.key_end = out.buffer.size();
  for (const auto& [name, value] : message.headers()) append_header(out.buffer, {name, value});
  piece.headers_end = out.buffer.size();
  piece.time = Timestamp{std::max<std::int64_t>(0, message.timestamp().ms)};
  return piece;
}

// The buffer has all of them and moves no more.
void KafkaSource::view(const std::vector<Piece>& pieces, RawBatch& out) const {
  const std::string_view text = out.buffer;
  if (attachments_) out.attachments.resize(pieces.size());
  std::size_t start = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    out.records[i].body = text.substr(start, piece.body_end - start);
    start = piece.body_end;
    if (!attachments_) continue;
    Attachment& attachment = out.attachments[i];
    if (piece.has_key) attachment.key = text.substr(piece.body_end, piece.key_end - piece.body_end);
    attachment.headers = text.substr(piece.key_end, piece.headers_end - piece.key_end);
    attachment.time = piece.time;
    out.records[i].attachment = &attachment;
    start = piece.headers_end;
  }
}

void KafkaSource::heed(Partition& partition, const Received& said, std::vector<SourceWarning>& warnings) {
  switch (said.kind()) {
    case Received::Kind::end: partition.at_end = true; return;
    case Received::Kind::lost: return find_again(partition, false);
    case Received::Kind::gone:
      finder_->is_gone(partition.at.topic);
      if (!std::exchange(partition.gone, true)) --active_;
      break;
    default: break;
  }
  partition.troubled = clock_.steady();
  if (said.reason() == partition.trouble) return;
  note_trouble(partition, said.reason());
  warnings.push_back({fmt::format("{}: {}", partition.label, partition.trouble), false});
}

void KafkaSource::come_back(Partition& partition) {
  if (std::exchange(partition.gone, false)) ++active_;
}

bool KafkaSource::caught_up() const {
  return finder_ != nullptr && finder_->has_looked() && topics_to_note_.empty() &&
         std::ranges::all_of(turns_, [](const Partition* each) {
           return !each->to_note && !each->lost && each->at_end && each->waiting.empty();
         });
}

void register_in(Registry& registry) { registry.sources.add<KafkaSource>("kafka"); }

}  // namespace penstock::sources::kafka
