#include "connectors/sources/kafka/partition_finder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <ranges>
#include <utility>

#include "connectors/sources/kafka/kafka_settings.h"
#include "pipeline/kafka/group_commit.h"

namespace penstock::sources::kafka {
namespace {

using penstock::kafka::Beginning;
using penstock::kafka::TopicPartition;

constexpr Duration kPatience{5000};
constexpr Duration kFindPatience{2000};
constexpr Duration kTryAgain{1000};
// For what can be found at the start; what is sick holds up the rest no longer.
constexpr Duration kAllWithin{3000};
constexpr std::size_t kWrongTold = 3;

// What complaints of a topic are about, besides whether it is there: no topic can have these names.
const std::string kFirstOf = "first of ";
const std::string kWhereTo = "where to go on in ";

std::vector<std::string> those(const std::vector<std::string>& topics, bool patterns) {
  std::vector<std::string> some;
  std::ranges::copy_if(topics, std::back_inserter(some), [&](const auto& topic) { return is_pattern(topic) == patterns; });
  return some;
}

}  // namespace

PartitionFinder::PartitionFinder(penstock::kafka::Consumer& consumer, std::vector<std::string> topics, Beginning beginning,
                                 Beginning of_later, Positions stored, std::set<std::string> known_topics, Duration refresh,
                                 PartitionShare share, OfGroup of_group, KafkaTopics own_topics, Tell tell)
    : consumer_(consumer), names_(those(topics, false)), patterns_(those(topics, true)),
      has_patterns_(std::ranges::any_of(topics, is_pattern)), beginning_(beginning), of_later_(of_later),
      stored_(std::move(stored)), refresh_(refresh), share_(share), of_group_(std::move(of_group)),
      own_topics_(std::move(own_topics)), tell_(std::move(tell)), known_topics_(std::move(known_topics)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

PartitionFinder::~PartitionFinder() = default;

PartitionFinder::News PartitionFinder::take() {
  const std::lock_guard lock(mutex_);
  const bool sick = found_at_ && std::chrono::steady_clock::now() > *found_at_ + kAllWithin;
  if (tried_ || sick) return std::exchange(news_, {});
  return {.found = {}, .topics = {}, .back = {}, .warnings = std::exchange(news_.warnings, {})};
}

void PartitionFinder::find_again(const TopicPartition& at, const Position& lost, bool anew) {
  const std::lock_guard lock(mutex_);
  lost_.push_back({at, lost, anew});
  wake_.notify_one();
}

void PartitionFinder::is_gone(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  said_gone_.insert(topic);
}

void PartitionFinder::note_trouble(const TopicPartition& at, const std::string& trouble) {
  const std::lock_guard lock(mutex_);
  if (trouble.empty()) troubles_.erase(at);
  else troubles_[at] = trouble;
  troubles_changed_ = true;
  wake_.notify_one();
}

bool PartitionFinder::has_looked() const {
  const std::lock_guard lock(mutex_);
  return looked_ && news_.found.empty() && news_.topics.empty() && news_.back.empty();
}

void PartitionFinder::run(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  pthread_setname_np(pthread_self(), "kafka-finder");
  auto next_look = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    bool well = relocate(stop);
    const bool looks = std::chrono::steady_clock::now() >= next_look || !consumer_.trouble().empty();
    if (looks) {
      well = look(stop) && well;
      next_look = std::chrono::steady_clock::now() + (well ? refresh_ : kTryAgain);
    }
    tell_what_is_wrong();
    std::unique_lock lock(mutex_);
    looked_ = looked_ || (looks && well);
    tried_ = tried_ || (looks && well) || found_at_ || !news_.topics.empty();
    // Also when all is well: whether the client has lost its brokers meanwhile.
    const auto until = std::min(next_look, std::chrono::steady_clock::now() + kTryAgain);
    wake_.wait_until(lock, stop, until, [&] { return !lost_.empty() || troubles_changed_; });
    std::ranges::move(lost_, std::back_inserter(relocating_));
    lost_.clear();
    gone_.merge(said_gone_);
    said_gone_.clear();
  }
}

// Each thing once, however many partitions it is about.
void PartitionFinder::tell_what_is_wrong() {
  std::set<std::string> wrong;
  for (const auto& [about, text] : complaints_) wrong.insert(text);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [at, text] : troubles_) wrong.insert(text);
    troubles_changed_ = false;
  }
  std::string text;
  for (const auto& each : wrong | std::views::take(kWrongTold)) text += (text.empty() ? "" : "; ") + each;
  if (wrong.size() > kWrongTold) text += fmt::format("; and {} more", wrong.size() - kWrongTold);
  if (std::exchange(told_, text) != text && tell_) tell_(text);
}

bool PartitionFinder::look(const std::stop_token& stop) {
  bool well = true;
  for (const auto& name : names_) well = look_for(name, stop) && well;
  return (!has_patterns_ || look_for(std::nullopt, stop)) && well;
}

bool PartitionFinder::look_for(const std::optional<std::string>& name, const std::stop_token& stop) {
  auto topics = consumer_.topics(name, kPatience, stop);
  if (topics) {
    std::erase_if(*topics, [&](const auto& each) { return !wanted(name, each.first); });
    if (auto left = leave_out_own(*topics, stop); !left) topics = std::unexpected(std::move(left).error());
  }
  if (!topics) {
    if (topics.error().kind == ErrorKind::not_found) {
      note_gone(name, {});
      answered_.insert(name.value_or(""));
    }
    complain(name.value_or(""), topics.error());
    return false;
  }
  note_gone(name, *topics);
  complain_no_more(name.value_or(""));
  const auto beginning = answered_.contains(name.value_or("")) ? of_later_ : beginning_;
  answered_.insert(name.value_or(""));
  bool well = true;
  for (const auto& [topic, partitions] : *topics) well = adopt(topic, partitions, beginning, stop) && well;
  return well;
}

// Of those that were known, and are looked for with this name, or with patterns.
void PartitionFinder::note_gone(const std::optional<std::string>& name, const std::map<std::string, int>& topics) {
  for (const auto& topic : known_topics_)
    if (wanted(name, topic) && !topics.contains(topic)) gone_.insert(topic);
  std::erase_if(complaints_, [&](const auto& complaint) {
    for (const auto& about : {kFirstOf, kWhereTo}) {
      if (!complaint.first.starts_with(about)) continue;
      const auto topic = complaint.first.substr(about.size());
      return wanted(name, topic) && !topics.contains(topic);
    }
    return false;
  });
  for (const auto& [topic, partitions] : topics) {
    if (gone_.erase(topic) == 0) continue;
    const std::lock_guard lock(mutex_);
    news_.back[topic] = partitions;
  }
}

bool PartitionFinder::wanted(const std::optional<std::string>& name, const std::string& topic) const {
  return name ? topic == *name : patterns_.takes(topic) && !topic.starts_with("__");
}

Result<void> PartitionFinder::leave_out_own(std::map<std::string, int>& topics, const std::stop_token& stop) {
  std::vector<std::string> own;
  for (const auto& topic : own_topics_.names)
    if (topics.contains(topic)) own.push_back(topic);
  if (own.empty()) return {};
  if (!on_own_cluster_) {
    TRY_ASSIGN(const auto cluster, consumer_.cluster(kPatience, stop));
    on_own_cluster_ = cluster == own_topics_.cluster;
  }
  if (!*on_own_cluster_) return {};
  std::vector<std::string> news;
  for (const auto& topic : own) {
    topics.erase(topic);
    if (left_out_.insert(topic).second) news.push_back(topic);
  }
  if (news.empty()) return {};
  const std::lock_guard lock(mutex_);
  news_.warnings.push_back(
      {fmt::format("not read, for they are of this pipeline's own log: {}", fmt::join(news, ", ")), false});
  return {};
}

// Partitions of a topic that was read before are new themselves: everything in them is to be read. Also by a share that had none of the
// topic until then, so it notes that there is the topic.
bool PartitionFinder::adopt(const std::string& topic, int partitions, const Beginning& of_topic,
                            const std::stop_token& stop) {
  const auto beginning = known_topics_.contains(topic) ? Beginning{} : of_topic;
  std::optional<std::vector<std::uint64_t>> beginnings;
  bool asked = false;
  for (int partition = 0; partition < partitions; ++partition) {
    const TopicPartition at{topic, partition};
    if (known_.contains(at) || !share_.has(partition)) continue;
    if (stop.stop_requested()) return false;
    FoundPartition found{at, {}};
    if (const auto stored = stored_.find(at); stored != stored_.end()) {
      found.position = stored->second;
      found.stored = found.check = true;
    } else {
      // Of all in one question; else of each, for it may be one that is in trouble.
      if (!std::exchange(asked, true)) {
        auto all = consumer_.find_in_all(topic, static_cast<std::size_t>(partitions), beginning, kFindPatience);
        if (all) beginnings = *std::move(all);
      }
      auto offset = of_group(at, partitions);
      if (offset && !*offset && beginnings) *offset = (*beginnings)[static_cast<std::size_t>(partition)];
      if (offset && !*offset) offset = consumer_.find(at, beginning, kFindPatience);
      if (!offset) {
        complain(kFirstOf + topic, offset.error());
        return false;
      }
      found.position.offset = **offset;
      found.check = !known_topics_.contains(topic) && (beginning_.kind != Beginning::Kind::earliest || of_group_);
    }
    known_.insert(at);
    const std::lock_guard lock(mutex_);
    if (!found_at_) found_at_ = std::chrono::steady_clock::now();
    news_.found.push_back(std::move(found));
  }
  complain_no_more(kFirstOf + topic);
  const bool has_some = share_.of == 1 || share_.index < partitions;
  if (known_topics_.insert(topic).second && !has_some) {
    const std::lock_guard lock(mutex_);
    news_.topics.push_back(topic);
  }
  return true;
}

// Where the group stands in a topic that was never read.
Result<std::optional<std::uint64_t>> PartitionFinder::of_group(const TopicPartition& at, int partitions) {
  if (!of_group_ || known_topics_.contains(at.topic)) return std::nullopt;
  auto& group = groups_[at.topic];
  const auto partition = static_cast<std::size_t>(at.partition);
  if (group.size() <= partition) {
    TRY_ASSIGN(group, of_group_(at.topic, partitions));
  }
  if (partition >= group.size() || group[partition] == penstock::kafka::kNoOffset) return std::nullopt;
  return group[partition];
}

bool PartitionFinder::relocate(const std::stop_token& stop) {
  bool well = true;
  for (auto& lost : std::exchange(relocating_, {})) {
    if (stop.stop_requested()) return false;
    const auto& [at, position, anew] = lost;
    if (gone_.contains(at.topic)) {  // until it is there again
      relocating_.push_back(std::move(lost));
      continue;
    }
    const auto bounds = consumer_.bounds(at, kFindPatience);
    if (!bounds) {
      complain(kWhereTo + at.topic, bounds.error());
      relocating_.push_back(std::move(lost));
      well = false;
      continue;
    }
    const auto [first, end] = *bounds;
    // Where it was, after messages that are gone; but a topic that was shorter may have grown meanwhile.
    FoundPartition found{at, position, true, first < position.offset};
    if (anew || end < position.offset) {
      const auto next = first_unread(at, position, *bounds);
      if (!next) {
        complain(kWhereTo + at.topic, next.error());
        relocating_.push_back(std::move(lost));
        well = false;
        continue;
      }
      found = {at, {*next, {}, position.generation + 1}};
      if (*next == first) tell_made_anew(at.topic, found.position.generation);
      else tell_cut(at, position, *next);
    }
    complain_no_more(kWhereTo + at.topic);
    const std::lock_guard lock(mutex_);
    if (found.stored && first > position.offset) {
      found = {at, {first, {}, position.generation}};
      news_.warnings.push_back({fmt::format("{}[{}]: the messages {} to {} were gone before they could be read", at.topic,
                                            at.partition, position.offset, first - 1),
                                true});
    }
    news_.found.push_back(std::move(found));
  }
  return well;
}

// What was read last is not there any more. When nothing is as old, the topic is another, and all of it is to be read; else brokers have
// lost its newest messages, and what has come since is younger than what was read.
Result<std::uint64_t> PartitionFinder::first_unread(const TopicPartition& at, const Position& lost,
                                                    std::pair<std::uint64_t, std::uint64_t> bounds) {
  if (!lost.before) return bounds.first;
  TRY_ASSIGN(const auto oldest, consumer_.find_time(at, Timestamp{0}, kFindPatience));
  if (!oldest) return bounds.first;  // nothing there has a time
  TRY_ASSIGN(const auto younger, consumer_.find_time(at, Timestamp{*lost.before + 1}, kFindPatience));
  return std::min(younger.value_or(bounds.second), lost.offset);
}

void PartitionFinder::tell_cut(const TopicPartition& at, const Position& lost, std::uint64_t next) {
  const std::lock_guard lock(mutex_);
  news_.warnings.push_back({fmt::format("{}[{}]: the message {} that was read last is gone, though older ones are there: "
                                        "the brokers have lost the newest. What "
                                        "is younger than it is read, from {} on",
                                        at.topic, at.partition, lost.offset - 1, next),
                            true});
}

// Once for all of its partitions.
void PartitionFinder::tell_made_anew(const std::string& topic, std::uint64_t generation) {
  auto& told = made_anew_[topic];
  if (told >= generation) return;
  told = generation;
  const std::lock_guard lock(mutex_);
  news_.warnings.push_back(
      {fmt::format("topic '{}' was deleted and made anew: it is read from its beginning, and what had not "
                   "been read of the old one is lost",
                   topic),
       true});
}

// Once for as long as it stays the same.
void PartitionFinder::complain(const std::string& about, const Error& error) {
  if (error.kind == ErrorKind::stopped || std::exchange(complaints_[about], error.message) == error.message) return;
  const std::lock_guard lock(mutex_);
  news_.warnings.push_back({error.message, false});
}

void PartitionFinder::complain_no_more(const std::string& about) { complaints_.erase(about); }

}  // namespace penstock::sources::kafka
