#include "connectors/sources/file/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace penstock::sources::file {
namespace {

// Busy files must not keep us from noticing new ones.
constexpr Duration kScanEvery{1000};
// How long the old writer of a rotated file is given to write its last lines.
constexpr Duration kRotatedGrace{10'000};

std::string follow_refused(const std::string& path) {
  return fmt::format("{} is compressed, and compressed files cannot be followed; read them with follow: false", path);
}

// Of the same time: one that waits was found later.
bool waits_for(const OpenFile& file, const std::pair<std::int64_t, std::int64_t>& older) {
  return file.waits && std::pair(file.modified(), file.changed()) >= older;
}

}  // namespace

FileSource::FileSource(Config config, const ConnectorContext& context, std::size_t open_files_max)
    : config_(std::move(config)), open_files_max_(open_files_max), clock_(context.clock),
      setting_(context.base_folder, config_.path) {}

Result<void> FileSource::open(const std::vector<SourcePosition>& stored) {
  close();
  TRY(check_path());
  TRY(known_.load(stored));
  if (config_.follow) {
    followed_since_ = known_.followed_since(setting_.path());
    place_again(early_warnings_);
    return rescan(early_warnings_);
  }

  TRY_ASSIGN(auto paths, setting_.list());
  if (paths.empty()) return fail(ErrorKind::not_found, fmt::format("no file matches {}", setting_.path()));
  std::vector<std::pair<PathState, std::string>> seen;
  for (const auto& path : paths) {
    const auto state = look_at(path);
    if (state && state->directory) continue;
    if (state) seen.emplace_back(*state, path);
    queue_.push_back({path, state && !known_.settled(*state, path) ? state->size : 0});
  }
  FolderListings folders;
  for (auto& moved : known_.search(seen, folders, early_warnings_)) queue_.push_front({std::move(moved.path)});
  for (const auto& queued : queue_) queued_bytes_ += queued.size;
  return {};
}

// After a close(): the files that are still open, where the log says they stand.
void FileSource::place_again(Warnings& warnings) {
  std::erase_if(open_, [&](const auto& file) {
    file->idle_since = {};
    file->finishing = false;
    file->detached = true;
    const auto placed = known_.place_again(*file, warnings);
    if (!placed) complain_once(placed.error().message, warnings);
    return !placed;
  });
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
  if (known_.take_lost(out)) return PollState::more;
  const ReadRules rules{std::max<std::size_t>(bytes_max, 1), config_.line_max.count, config_.follow};
  return config_.follow ? poll_followed(out, rules) : poll_whole(out, rules);
}

std::optional<std::uint64_t> FileSource::unread_bytes() {
  std::uint64_t unread = queued_bytes_ + (current_ ? current_->unread_bytes() : 0);
  for (const auto& file : open_) unread += file->unread_bytes();
  if (!config_.follow) return unread;
  const auto paths = setting_.list();
  if (!paths) return unread;
  for (const auto& path : *paths) {
    const auto state = look_at(path);
    if (state && state->regular && !is_open(state->id) && !known_.settled(*state, path)) unread += state->size;
  }
  return unread;
}

void FileSource::close() {
  known_.forget();
  early_warnings_.clear();
  queue_.clear();
  queued_bytes_ = 0;
  current_.reset();
  turn_ = 0;
  next_scan_ = {};
  behind_ = rotates_ = false;
  followed_since_ = 0;
  listed_with_ = {};
  next_listing_ = {};
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
        out.warnings.push_back({fmt::format("{}; the next run goes on from there", state.error().message)});
      }
      known_.put_back(*current_, false);
      current_.reset();
    }
    if (queue_.empty()) return PollState::finished;
    const auto [path, size] = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= size;
    auto file = known_.open(path, out.warnings);
    if (file) {
      current_ = *std::move(file);
    } else if (file.error().kind == ErrorKind::not_found) {
      out.warnings.push_back({fmt::format("{} is gone before it was read", path), true});
    } else {
      out.warnings.push_back({fmt::format("not read: {}", file.error().message)});
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
    // A kill must not make us forget what was there to be read next.
    if (note_any(next_in_turn(), out)) return PollState::more;
    // What was renamed or deleted comes before what may have taken its place.
    if (read_any(true, out, rules)) return PollState::more;
    if (read_any(false, out, rules)) return PollState::more;
    if (note_any(nullptr, out)) return PollState::more;
    if (scanned) return PollState::idle;
    TRY(rescan(out.warnings));
    scanned = true;
  }
}

// Whose first records are read next, if it has any: they note it, too.
const OpenFile* FileSource::next_in_turn() const {
  if (open_.empty()) return nullptr;
  const auto at = std::ranges::find_if(open_, [](const auto& file) { return file->detached && !file->waits; });
  return at != open_.end() ? at->get() : open_[turn_ % open_.size()].get();
}

bool FileSource::note_any(const OpenFile* but, RawBatch& out) {
  for (const auto& file : open_) {
    if (file->noted() || file.get() == but) continue;
    if (const auto noted = file->note(out)) return true;
    else complain_once(noted.error().message + "; it is tried again", out.warnings);
  }
  return false;
}

// The next file in turn that has something new.
bool FileSource::read_any(bool detached, RawBatch& out, const ReadRules& rules) {
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const std::size_t at = detached ? i : (turn_ + i) % open_.size();
    if (open_[at]->detached != detached || open_[at]->waits) continue;
    auto& file = *open_[at];
    const auto state = file.read(out, rules);
    for (const auto& [position, partition] : file.take_ended()) known_.put_back(position, partition, false);
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
  // Opened before older ones are looked for: whatever a rotation takes away meanwhile is then among those.
  std::size_t opened = 0;
  for (const auto& path : new_paths) {
    if (!make_room() || !adopt(path, open_.size(), warnings)) continue;
    open_.back()->detached = false;
    ++opened;
  }
  FolderListings folders;
  auto older = known_.search(seen, folders, warnings);
  rotates_ |= !older.empty();
  begin_to_follow(older);
  std::ranges::move(find_unseen(folders, warnings), std::back_inserter(older));
  adopt_older(std::move(older), opened, folders, warnings);
  finish_rotated();
  return {};
}

// Of a single path, when no earlier run has: what was written before the oldest file that we know is none of ours.
void FileSource::begin_to_follow(const std::vector<MovedFile>& older) {
  if (setting_.pattern() || followed_since_ != 0) return;
  const auto begin = [this](std::int64_t modified) {
    followed_since_ = followed_since_ == 0 ? modified : std::min(followed_since_, modified);
  };
  for (const auto& file : open_) begin(file->modified());
  for (const auto& file : older) begin(file.modified);
  for (const auto& file : open_) file->follow(setting_.path(), followed_since_);
}

// Of a single path: files that stood there and were renamed before anyone looked. Only where files take turns at the path;
// what copytruncate leaves beside it is a copy of what was read.
std::vector<MovedFile> FileSource::find_unseen(FolderListings& folders, Warnings& warnings) {
  if (setting_.pattern()) return {};
  const std::string& home = setting_.path();
  const auto there = look_at(home);
  rotates_ |= known_.followed_another(home, there) || std::ranges::any_of(open_, [](const auto& f) { return f->detached; });
  if (!rotates_ || followed_since_ == 0) return {};
  // While the same file stands there none has come after it.
  const bool due = behind_ || clock_.steady() >= next_listing_;
  if (std::exchange(listed_with_, there ? there->id : FileId{}) == (there ? there->id : FileId{}) && !due) return {};
  next_listing_ = clock_.steady() + kScanEvery;
  for (const auto& file : open_) known_.put_back(*file, false);
  std::vector<MovedFile> unseen;
  for (const auto& path : folders.rotations_of(home)) {
    const auto state = look_at(path);
    if (!state || !state->regular || state->modified < followed_since_ || known_.settled(*state, path)) continue;
    if (is_open(state->id)) continue;
    const auto file = OpenFile::open(path);
    if (!file || (*file)->packing() != Packing::none) continue;
    const auto likeness = known_.compare(**file);
    if (likeness == KnownFiles::Likeness::none) unseen.push_back({path, state->id, (*file)->modified(), (*file)->changed()});
    if (likeness == KnownFiles::Likeness::copy)
      complain_once(fmt::format("{} begins as a file that was read, so it is taken for a copy and left alone", path),
                    warnings);
  }
  return unseen;
}

// The oldest first, and before those that stand at their paths now, the `opened` last ones, or did when they had to wait.
void FileSource::adopt_older(std::vector<MovedFile> older, std::size_t opened, FolderListings& folders, Warnings& warnings) {
  std::ranges::stable_sort(older, {}, [](const MovedFile& file) { return Written(file.modified, file.changed); });
  behind_ = false;
  for (const auto& file : open_) {
    // It was empty, perhaps, when it was opened, and the writer of the one before it went on for a while.
    if (file->waits) static_cast<void>(file->look());
  }
  for (const auto& [path, id, modified, changed] : older) {
    // No room, or rotation goes on while we look: nothing that is newer may be read before the next look.
    const auto now = look_at(path);
    const bool there = now && now->id == id;
    behind_ = !there || !(make_room() || make_room_before({modified, changed}, folders));
    if (behind_) break;
    // What stands at a single path is newer whatever the times say: a writer may go on with a file that was rotated.
    const auto newer = std::ranges::find_if(open_, [&](const auto& file) {
      return (!setting_.pattern() && !file->detached) || waits_for(*file, {modified, changed});
    });
    const std::size_t at = std::min(static_cast<std::size_t>(newer - open_.begin()), open_.size() - opened);
    if (adopt(path, at, warnings)) open_[at]->detached = true;
  }
  for (auto& file : open_) {
    file->waits = behind_ && (file->waits || !file->detached);
    if (file->waits) file->idle_since = {};
  }
}

// False when it cannot be followed, or is open.
bool FileSource::adopt(const std::string& path, std::size_t at, Warnings& warnings) {
  auto opened = known_.open(path, warnings);
  if (!opened) {
    if (opened.error().kind != ErrorKind::not_found) complain_once("not read: " + opened.error().message, warnings);
    return false;
  }
  auto file = *std::move(opened);
  if (file->packing() != Packing::none) {
    complain_once(follow_refused(path), warnings);
    return false;
  }
  if (is_open(file->id())) return false;
  if (!setting_.pattern()) {
    file->follow(setting_.path(), followed_since_);
  } else if (file->home().empty()) {
    file->follow(path, 0);
  }
  open_.insert(open_.begin() + static_cast<std::ptrdiff_t>(at), std::move(file));
  return true;
}

bool FileSource::is_open(const FileId& id) const { return std::ranges::find(open_, id, &OpenFile::id) != open_.end(); }

void FileSource::complain_once(const std::string& about, Warnings& warnings) {
  if (complaints_.insert(about).second) warnings.push_back({about});
}

bool FileSource::make_room() {
  if (open_.size() < open_files_max_) return true;
  const auto unused = [](const auto& file) {
    return !file->detached && file->idle_since != SteadyTime{} && file->position().complete;
  };
  const auto at = std::ranges::find_if(open_, unused);
  if (at == open_.end()) return false;
  known_.put_back(**at, true);
  open_.erase(at);
  return true;
}

// One that waits for `older` makes room for it, when it will be found again.
bool FileSource::make_room_before(const Written& older, FolderListings& folders) {
  const auto at = std::ranges::find_if(open_.rbegin(), open_.rend(), [&](const auto& file) {
    return waits_for(*file, older) && file->noted() && (file->detached || setting_.pattern()) &&
           !folders.find_renamed(file->path(), file->id().inode).empty();
  });
  if (at == open_.rend()) return false;
  known_.put_back(**at, true);
  open_.erase(std::next(at).base());
  return true;
}

// A rotated file whose writer has been silent for a while is read as if nothing more will come, once there is another one for
// the writer. Without that too where others need its place.
void FileSource::finish_rotated() {
  const bool crowded = open_.size() >= open_files_max_;
  for (auto& file : open_) {
    if (!file->detached || file->idle_since == SteadyTime{}) continue;
    if (clock_.steady() - file->idle_since < kRotatedGrace) continue;
    const auto now = look_at(file->home());
    file->finishing = crowded || file->unlinked() || (now && now->id != file->id());
  }
}

void register_in(Registry& registry) { registry.sources.add<FileSource>("file"); }

}  // namespace penstock::sources::file
