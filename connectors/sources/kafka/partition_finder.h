#pragma once
// Finds out, on a thread of its own, which partitions there are to read and where to begin with each: brokers may be slow to
// answer, and ingest must not wait for them.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sources/kafka/positions.h"
#include "pipeline/base/clock.h"
#include "pipeline/event/event_filter.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/source.h"
#include "pipeline/registry/registry.h"

namespace penstock::sources::kafka {

struct FoundPartition {
  penstock::kafka::TopicPartition at;
  Position position{};
  bool stored = false;  // the log knows it already
  bool check = false;  // there may be a message before it, by which the topic is known again
};

// Any thread. Destroyed before the consumer.
class PartitionFinder {
 public:
  struct News {
    std::vector<FoundPartition> found;
    std::vector<std::string> topics;  // new ones, of which this share has no partition
    std::map<std::string, int>
        back;  // topics that had been gone: the same again, or others of their names; and their partitions
    std::vector<SourceWarning> warnings;
  };

  // Where a group stands in a topic, by partition; kNoOffset: nowhere.
  using OfGroup = std::function<Result<std::vector<std::uint64_t>>(const std::string& topic, int partitions)>;

  // What is wrong now, of what is found out here and of the partitions; empty: nothing. On the finder's thread.
  using Tell = std::function<void(std::string)>;

  // `of_later` is the beginning of topics that were not there when brokers were asked first. `of_group` goes before both; null: no
  // group is asked. `own_topics` are left out, where the cluster is theirs.
  PartitionFinder(penstock::kafka::Consumer& consumer, std::vector<std::string> topics, penstock::kafka::Beginning beginning,
                  penstock::kafka::Beginning of_later, Positions stored, std::set<std::string> known_topics,
                  Duration refresh, PartitionShare share = {}, OfGroup of_group = nullptr, KafkaTopics own_topics = {},
                  Tell tell = nullptr);
  ~PartitionFinder();
  PartitionFinder(const PartitionFinder&) = delete;
  PartitionFinder& operator=(const PartitionFinder&) = delete;

  // What came since the last call. First comes all that there is, as far as it can be found, and then what is new.
  News take();
  // This offset is not there (or, `anew`, it is one of another topic): what has gone is told, and where to go on comes as found.
  void find_again(const penstock::kafka::TopicPartition& at, const Position& lost, bool anew);
  // The client says that there is no such topic. If it comes again, that is news.
  void is_gone(const std::string& topic);
  // What is wrong with reading a partition; empty: nothing any more.
  void note_trouble(const penstock::kafka::TopicPartition& at, const std::string& trouble);
  // Everything that there was to find at the start was found.
  bool has_looked() const;

 private:
  void run(const std::stop_token& stop);
  // False: something could not be found out, and is to be tried again soon.
  bool look(const std::stop_token& stop);
  bool look_for(const std::optional<std::string>& name, const std::stop_token& stop);
  bool wanted(const std::optional<std::string>& name, const std::string& topic) const;
  // Those that are left out; told once.
  Result<void> leave_out_own(std::map<std::string, int>& topics, const std::stop_token& stop);
  bool adopt(const std::string& topic, int partitions, const penstock::kafka::Beginning& beginning,
             const std::stop_token& stop);
  Result<std::optional<std::uint64_t>> of_group(const penstock::kafka::TopicPartition& at, int partitions);
  void note_gone(const std::optional<std::string>& name, const std::map<std::string, int>& topics);
  void tell_what_is_wrong();
  bool relocate(const std::stop_token& stop);
  Result<std::uint64_t> first_unread(const penstock::kafka::TopicPartition& at, const Position& lost,
                                     std::pair<std::uint64_t, std::uint64_t> bounds);
  void tell_cut(const penstock::kafka::TopicPartition& at, const Position& lost, std::uint64_t next);
  void tell_made_anew(const std::string& topic, std::uint64_t generation);
  void complain(const std::string& about, const Error& error);
  void complain_no_more(const std::string& about);

  penstock::kafka::Consumer& consumer_;
  const std::vector<std::string> names_;
  const EventFilter patterns_;
  const bool has_patterns_;
  const penstock::kafka::Beginning beginning_;
  const penstock::kafka::Beginning of_later_;
  const Positions stored_;
  const Duration refresh_;
  const PartitionShare share_;  // of the partitions of each topic
  const OfGroup of_group_;
  const KafkaTopics own_topics_;
  const Tell tell_;

  std::set<penstock::kafka::TopicPartition> known_;  // the thread's
  std::map<std::string, std::vector<std::uint64_t>> groups_;  // the thread's: where the group stands, by topic
  std::set<std::string> known_topics_;  // the thread's: their partitions that come later are read from the beginning
  std::optional<bool> on_own_cluster_;  // the thread's; none: not known yet
  std::set<std::string> answered_;  // the thread's: names that brokers have said something of; empty: of patterns
  std::set<std::string> left_out_;  // the thread's: what was told of
  std::map<std::string, std::string> complaints_;  // the thread's: what is wrong, by what it is about
  struct Lost {
    penstock::kafka::TopicPartition at;
    Position position;
    bool anew = false;
  };
  std::vector<Lost> relocating_;  // the thread's
  std::string told_;  // the thread's: of what is wrong
  std::set<std::string> gone_;  // the thread's: topics that were known
  std::map<std::string, std::uint64_t> made_anew_;  // the thread's: what was told, by topic

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;  // with mutex_
  News news_;  // guarded by mutex_
  std::vector<Lost> lost_;  // guarded by mutex_
  std::set<std::string> said_gone_;  // guarded by mutex_
  std::map<penstock::kafka::TopicPartition, std::string> troubles_;  // guarded by mutex_
  bool troubles_changed_ = true;  // guarded by mutex_
  bool tried_ = false;  // guarded by mutex_; a look has found something, or all there is
  std::optional<std::chrono::steady_clock::time_point> found_at_;  // guarded by mutex_; the first
  bool looked_ = false;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace penstock::sources::kafka
