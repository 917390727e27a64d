#include "connectors/sources/file/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace penstock::sources::file {
namespace {

// Followed files held open; beyond it those without news are closed and watched by path and size only.
constexpr std::size_t kOpenFilesMax = 256;
// Busy files must not keep us from noticing new ones.
constexpr Duration kScanEvery{1000};
// How long the old writer of a rotated file is given to write its last lines.
constexpr Duration kRotatedGrace{10'000};

std::string follow_refused(const std::string& path) {
  return fmt::format("{} is compressed, and compressed files cannot be followed; read them with follow: false", path);
}

}  // namespace

FileSource::FileSource(Config config, const ConnectorContext& context)
    : config_(std::move(config)), clock_(context.clock), setting_(context.base_folder, config_.path) {}

Result<void> FileSource::open(const std::vector<SourcePosition>& stored) {
  close();
  TRY(check_path());
  TRY(known_.load(stored));
  if (config_.follow) return rescan(early_warnings_);

  TRY_ASSIGN(auto paths, setting_.list());
  if (paths.empty()) return fail(ErrorKind::not_found, fmt::format("no file matches {}", setting_.path()));
  std::vector<std::pair<PathState, std::string>> seen;
  for (const auto& path : paths) {
    const auto state = look_at(path);
    if (state && state->directory) continue;
    if (state) seen.emplace_back(*state, path);
    queue_.push_back(path);
  }
  std::ranges::copy(known_.search(seen, early_warnings_), std::front_inserter(queue_));
  return {};
}

// One file that is named must be there and readable; what a pattern matches is judged file by file.
Result<void> FileSource::check_path() const {
  if (setting_.pattern()) return {};
  const auto file = OpenFile::open(setting_.path());
  if (!file) {
    if (config_.follow && file.error().kind == ErrorKind::not_found) return {};
    return fail(file.error());
  }
  if (config_.follow && (*file)->packing() != Packing::none)
    return fail(ErrorKind::invalid, follow_refused(setting_.path()));
  return {};
}

Result<PollState> FileSource::poll(RawBatch& out, std::size_t bytes_max) {
  out.clear();
  out.warnings = std::exchange(early_warnings_, {});
  const ReadRules rules{std::max<std::size_t>(bytes_max, 1), config_.line_max.count, config_.follow};
  return config_.follow ? poll_followed(out, rules) : poll_whole(out, rules);
}

void FileSource::close() {
  known_ = {};
  early_warnings_.clear();
  queue_.clear();
  current_.reset();
  open_.clear();
  turn_ = 0;
  next_scan_ = {};
  complaints_.clear();
}

Result<PollState> FileSource::poll_whole(RawBatch& out, const ReadRules& rules) {
  for (;;) {
    // A file that failed in the middle leaves its text behind.
    out.buffer.clear();
    out.records.clear();
    if (current_) {
      const auto state = current_->read(out, rules);
      if (state && *state != ReadState::end) return PollState::more;
      if (!state) {
        out.records.clear();
        out.warnings.push_back(fmt::format("{}; the next run goes on from there", state.error().message));
      }
      known_.put_back(*current_, false);
      current_.reset();
    }
    if (queue_.empty()) return PollState::finished;
    const std::string path = std::move(queue_.front());
    queue_.pop_front();
    auto file = known_.open(path, out.warnings);
    if (file) {
      current_ = *std::move(file);
    } else if (file.error().kind == ErrorKind::not_found) {
      out.warnings.push_back(fmt::format("{} is gone before it was read", path));
    } else {
      out.warnings.push_back(fmt::format("not read: {}", file.error().message));
    }
  }
}

Result<PollState> FileSource::poll_followed(RawBatch& out, const ReadRules& rules) {
  bool scanned = false;
  if (clock_.steady() >= next_scan_) {
    TRY(rescan(out.warnings));
    scanned = true;
  }
  for (;;) {
    // What was renamed or deleted comes before what may have taken its place.
    if (read_any(true, out, rules)) return PollState::more;
    if (read_any(false, out, rules)) return PollState::more;
    if (scanned) return PollState::idle;
    TRY(rescan(out.warnings));
    scanned = true;
  }
}

// The next file in turn that has something new.
bool FileSource::read_any(bool detached, RawBatch& out, const ReadRules& rules) {
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const std::size_t at = detached ? i : (turn_ + i) % open_.size();
    if (open_[at]->detached != detached) continue;
    auto& file = *open_[at];
    const auto state = file.read(out, rules);
    if (!state) {
      out.records.clear();
      complain_once(state.error().message + "; it is tried again", out.warnings);
      continue;
    }
    if (*state == ReadState::data) {
      file.idle_since = {};
      if (!detached) turn_ = at + 1;
      return true;
    }
    if (*state == ReadState::nothing) {
      if (file.idle_since == SteadyTime{}) file.idle_since = clock_.steady();
      continue;
    }
    if (*state == ReadState::packed) complain_once(follow_refused(file.path()), out.warnings);
    known_.put_back(file, false);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
    return read_any(detached, out, rules);
  }
  return false;
}

// Which files are there now: new ones are opened, those whose path leads elsewhere are noted.
Result<void> FileSource::rescan(Warnings& warnings) {
  next_scan_ = clock_.steady() + kScanEvery;
  TRY_ASSIGN(const auto paths, setting_.list());
  for (auto& file : open_) file->detached = true;
  std::vector<std::pair<PathState, std::string>> seen;
  std::vector<std::string> new_paths;
  for (const auto& path : paths) {
    const auto state = look_at(path);
    if (!state || state->directory) continue;
    seen.emplace_back(*state, path);
    const auto at = std::ranges::find(open_, state->id, &OpenFile::id);
    if (at != open_.end()) {
      (*at)->set_path(path);
      (*at)->detached = false;
    } else if (!known_.settled(*state, path)) {
      new_paths.push_back(path);
    }
  }
  for (const auto& path : new_paths) adopt(path, false, warnings);
  for (const auto& path : known_.search(seen, warnings)) adopt(path, true, warnings);
  finish_rotated();
  return {};
}

void FileSource::adopt(const std::string& path, bool detached, Warnings& warnings) {
  if (!make_room()) return;
  auto file = known_.open(path, warnings);
  if (!file) {
    if (file.error().kind != ErrorKind::not_found) complain_once("not read: " + file.error().message, warnings);
  } else if ((*file)->packing() != Packing::none) {
    complain_once(follow_refused(path), warnings);
  } else {
    (*file)->detached = detached;
    open_.push_back(*std::move(file));
  }
}

void FileSource::complain_once(const std::string& about, Warnings& warnings) {
  if (complaints_.insert(about).second) warnings.push_back(about);
}

bool FileSource::make_room() {
  if (open_.size() < kOpenFilesMax) return true;
  const auto unused = [](const auto& file) {
    return !file->detached && file->idle_since != SteadyTime{} && file->position().complete;
  };
  const auto at = std::ranges::find_if(open_, unused);
  if (at == open_.end()) return false;
  known_.put_back(**at, true);
  open_.erase(at);
  return true;
}

// A rotated file whose writer has been silent for a while is read as if nothing more will come.
void FileSource::finish_rotated() {
  for (auto& file : open_) {
    if (!file->detached || file->idle_since == SteadyTime{}) continue;
    if (clock_.steady() - file->idle_since < kRotatedGrace) continue;
    const auto now = look_at(file->path());
    file->finishing = file->unlinked() || (now && now->id != file->id());
  }
}

void register_in(Registry& registry) { registry.sources.add<FileSource>("file"); }

}  // namespace penstock::sources::file
