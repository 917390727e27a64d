#include "pipeline/delivery/feed.h"

#include <algorithm>

namespace penstock::delivery {
namespace {

// Events passed over in one call of next(): about a tenth of a millisecond.
constexpr std::uint32_t kPassedOverMax = 1024;

struct Held {
  std::shared_ptr<const Chunk> chunk;
  std::shared_ptr<std::atomic<std::size_t>> sum;
  std::size_t bytes;

  Held(std::shared_ptr<const Chunk> of, std::shared_ptr<std::atomic<std::size_t>> in)
      : chunk(std::move(of)), sum(std::move(in)), bytes(chunk->memory()) {
    *sum += bytes;
  }
  ~Held() { *sum -= bytes; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
};

}  // namespace

Feed::Feed(Log& log, const EventFilter& filter, Offsets start, Offsets end)
    : log_(log), filter_(filter), position_(std::move(start)), end_(std::move(end)) {}

Result<void> Feed::open() {
  auto reader = log_.read(LogName::events, position_);
  if (!reader && reader.error().kind == ErrorKind::not_found) {
    jump_to_oldest();
    reader = log_.read(LogName::events, position_);
  }
  if (!reader) return fail(std::move(reader).error());
  reader_ = *std::move(reader);
  return {};
}

// False: nothing was removed that it had not read.
bool Feed::jump_to_oldest() {
  const Offsets oldest = log_.begin(LogName::events);
  bool jumped = false;
  for (std::size_t p = 0; p < position_.size() && p < oldest.size(); ++p) {
    if (position_[p] >= oldest[p]) continue;
    const std::uint64_t lost_to = p < end_.size() ? std::min(oldest[p], end_[p]) : oldest[p];
    if (lost_to > position_[p]) skipped_ += lost_to - position_[p];
    position_[p] = oldest[p];
    jumped = true;
  }
  return jumped;
}

Result<Feed::Step> Feed::next() {
  for (;;) {
    if (chunk_) {
      auto step = step_in_chunk();
      if (!step) let_go();  // what was damaged in memory may be whole in the log, and the log may have lost it
      if (!step || *step != Step::end) return step;
      chunk_ = nullptr;
    }
    if (record_ && next_chunk_ < record_->chunks.size()) {
      enter_chunk();
      continue;
    }
    if (!reader_) TRY(open());
    auto record = reader_->next();
    if (!record) {
      let_go();
      // A log may say only to who reads that it has removed what is asked for.
      if (record.error().kind == ErrorKind::not_found && jump_to_oldest()) continue;
      return fail(std::move(record).error());
    }
    pass_record();
    record_ = *std::move(record);
    next_chunk_ = 0;
    if (!record_) return Step::end;
  }
}

// After its last event a record may pass over offsets that no event has.
void Feed::pass_record() {
  if (!record_) return;
  for (std::size_t p = 0; p < position_.size() && p < record_->next.size(); ++p)
    position_[p] = std::max(position_[p], record_->next[p]);
}

void Feed::enter_chunk() {
  chunk_ = record_->chunks[next_chunk_++];
  kept_ = nullptr;
  const std::uint64_t base = chunk_->base_offset();
  // Events before the position share a record with later ones; they were settled before.
  index_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(here() > base ? here() - base : 0, chunk_->size()));
  last_name_ = {};
  wants_ = Wants::all;
  if (filter_.takes_everything()) return;
  const auto& names = chunk_->names();
  const auto wanted_names = std::ranges::count_if(names, [&](auto name) { return filter_.takes(name); });
  if (wanted_names == 0) {
    wants_ = Wants::none;
  } else if (static_cast<std::size_t>(wanted_names) < names.size()) {
    wants_ = Wants::some;
  }
}

bool Feed::wanted(std::string_view event) {
  if (wants_ == Wants::all) return true;
  if (event.data() != last_name_.data() || event.size() != last_name_.size() || event.empty()) {
    last_name_ = event;
    last_wanted_ = filter_.takes(event);
  }
  return last_wanted_;
}

Result<Feed::Step> Feed::step_in_chunk() {
  const std::uint64_t base = chunk_->base_offset();
  if (wants_ == Wants::none) {
    filtered_ += chunk_->size() - index_;
    index_ = chunk_->size();
    here() = std::max(here(), base + chunk_->size());
    return Step::end;
  }
  std::uint32_t passed = 0;
  for (; index_ < chunk_->size(); ++index_) {
    const Facts& facts = chunk_->facts(index_);
    if (wanted(facts.event)) {
      TRY_ASSIGN(const std::string_view body, chunk_->body(index_));
      current_ = {{facts, body}, hold(), chunk_->partition(), base + index_};
      return Step::event;
    }
    ++filtered_;
    here() = base + index_ + 1;
    if (++passed == kPassedOverMax) {
      ++index_;
      return Step::more;
    }
  }
  return Step::end;
}

std::shared_ptr<const Chunk> Feed::hold() {
  if (!kept_) {
    const auto held = std::make_shared<Held>(chunk_, held_);
    kept_ = {held, held->chunk.get()};
  }
  return kept_;
}

void Feed::take() {
  here() = current_.offset + 1;
  ++index_;
  current_.chunk = nullptr;
}

bool Feed::skip_removed() {
  if (!jump_to_oldest()) return false;
  let_go();
  return true;
}

void Feed::let_go() {
  reader_ = nullptr;
  record_ = nullptr;
  chunk_ = nullptr;
  kept_ = nullptr;
}

}  // namespace penstock::delivery
