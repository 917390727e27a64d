// The cache of user agents: a clock, whose hand passes over what was asked for since it last came by.

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "pipeline/scripting/library/user_agent.h"

namespace penstock::scripting {
namespace {

std::atomic<bool> reader_ready{false};

class Cache {
 public:
  Cache() { reader_ready = true; }

  std::shared_ptr<const UserAgent> get(std::string_view text) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto it = by_text_.find(text); it != by_text_.end()) {
        it->second->used = true;
        return it->second->agent;
      }
    }
    auto agent = std::make_shared<const UserAgent>(reader_.read(text));
    const std::lock_guard lock(mutex_);
    put(text, agent);
    return agent;
  }

 private:
  static constexpr std::size_t kCountMax = 2048;
  struct Entry {
    std::string text;
    std::shared_ptr<const UserAgent> agent;
    bool used = false;
  };

  // Another thread may have put the same in the meantime.
  void put(std::string_view text, const std::shared_ptr<const UserAgent>& agent) {
    if (by_text_.contains(text)) return;
    Entry* entry = nullptr;
    if (entries_.size() < kCountMax) {
      entries_.reserve(kCountMax);  // entries are pointed at
      entry = &entries_.emplace_back();
    } else {
      for (; entries_[hand_].used; hand_ = (hand_ + 1) % kCountMax) entries_[hand_].used = false;
      entry = &entries_[hand_];
      hand_ = (hand_ + 1) % kCountMax;
      by_text_.erase(entry->text);
    }
    *entry = {std::string(text), agent, false};
    by_text_.emplace(entry->text, entry);
  }

  const UserAgentReader reader_;
  std::mutex mutex_;
  std::unordered_map<std::string_view, Entry*> by_text_;  // guarded by mutex_, as what follows; views of the entries' texts
  std::vector<Entry> entries_;
  std::size_t hand_ = 0;
};

}  // namespace

std::shared_ptr<const UserAgent> cached_user_agent(std::string_view text) {
  static Cache cache;
  return cache.get(text.substr(0, UserAgentReader::kBytesMax));
}

bool user_agents_ready() { return reader_ready; }

}  // namespace penstock::scripting
