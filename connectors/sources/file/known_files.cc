#include "connectors/sources/file/known_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::sources::file {
namespace {

// A file that was read to its end and left alone for so long has no writer that still holds it open: about the time that a
// rotation gives one.
constexpr std::int64_t kColdAfter = 10'000'000'000;

// How often names are read again for one file that is being renamed.
constexpr int kLooksMax = 5;

// The same inode; and the same device too, or the same path: device numbers may change when the machine starts again.
bool same_file(const FilePosition& known, const FileId& id, const std::string& path) {
  return known.id.inode == id.inode && (known.id.device == id.device || known.path == path);
}

// In its folder, whatever its name there. Rotation may go on while we look: then the names are read again.
std::unique_ptr<OpenFile> find_renamed(const FilePosition& known, FolderListings& folders) {
  for (int look = 0; look < kLooksMax; ++look) {
    const auto path = folders.find_renamed(known.path, known.id.inode);
    if (path.empty() && (look > 0 || known.complete)) return nullptr;
    auto file = path.empty() ? nullptr : OpenFile::open(path).value_or(nullptr);
    if (file && file->id().inode == known.id.inode) return file;
    folders.forget();
  }
  return nullptr;
}

}  // namespace

Result<void> KnownFiles::load(const std::vector<SourcePosition>& stored) {
  for (const auto& entry : stored) {
    auto position = decode_file_position(entry.position);
    if (!position) return fail(std::move(position).error().context("stored position of file " + entry.partition));
    add(Known{*std::move(position), entry.partition, true});
  }
  for (auto& known : files_) {  // an older content of the same inode is over, and was reported when it ended
    known.expected = &known == newest(known.position.id, known.position.path);
  }
  return {};
}

void KnownFiles::add(Known known) {
  by_inode_.emplace(known.position.id.inode, files_.size());
  by_partition_.emplace(known.partition, files_.size());
  files_.push_back(std::move(known));
}

void KnownFiles::report_loss(Known& known, std::string_view how, Warnings& warnings) {
  auto& position = known.position;
  if (position.complete) return;
  if (reported_.insert(known.partition).second) {
    warnings.push_back(
        {fmt::format("{} {} before it was read to its end: what came after byte {} is lost (its size was {} bytes)",
                     position.path, how, position.offset, position.size_seen),
         true});
  }
  position.complete = true;
  lost_.push_back(known);
}

bool KnownFiles::take_lost(RawBatch& out) {
  if (lost_.empty()) return false;
  out.partition = lost_.back().partition;
  out.label = lost_.back().position.path;
  encode(lost_.back().position, out.position);
  lost_.pop_back();
  return true;
}

void KnownFiles::forget() {
  files_.clear();
  by_inode_.clear();
  by_partition_.clear();
  lost_.clear();
}

const KnownFiles::Known* KnownFiles::newest(const FileId& id, const std::string& path) const {
  const Known* found = nullptr;
  const auto [first, last] = by_inode_.equal_range(id.inode);
  for (auto it = first; it != last; ++it) {
    const Known& known = files_[it->second];
    if (!same_file(known.position, id, path)) continue;
    if (found == nullptr || known.position.generation > found->position.generation) found = &known;
  }
  return found;
}

KnownFiles::Known* KnownFiles::newest(const FileId& id, const std::string& path) {
  return const_cast<Known*>(std::as_const(*this).newest(id, path));
}

Result<std::unique_ptr<OpenFile>> KnownFiles::open(const std::string& path, Warnings& warnings) {
  TRY_ASSIGN(auto file, OpenFile::open(path));
  TRY(place(*file, path, warnings));
  return file;
}

Result<void> KnownFiles::place_again(OpenFile& file, Warnings& warnings) {
  TRY(file.forget());
  return place(file, file.path(), warnings);
}

Result<void> KnownFiles::place(OpenFile& file, const std::string& path, Warnings& warnings) {
  Known* known = newest(file.id(), path);
  if (known == nullptr) return {};
  TRY_ASSIGN(const bool same, file.is(known->position.fingerprint));
  if (same) {
    file.resume(known->position, known->partition);
  } else {
    if (known->expected) report_loss(*known, "was replaced", warnings);
    file.start(known->position.generation + 1);
  }
  known->expected = false;
  return {};
}

void KnownFiles::put_back(const FilePosition& position, const std::string& partition, bool expected) {
  if (partition.empty()) return;
  const auto at = by_partition_.find(partition);
  if (at == by_partition_.end()) add(Known{position, partition, expected});
  else files_[at->second] = Known{position, partition, expected};
}

bool KnownFiles::settled(const PathState& now, const std::string& path) const {
  const Known* known = newest(now.id, path);
  if (known == nullptr || !known->position.complete || known->position.size_seen != now.size) return false;
  return known->position.modified == 0 || known->position.modified == now.modified;
}

std::vector<MovedFile> KnownFiles::search(const std::vector<std::pair<PathState, std::string>>& seen,
                                          FolderListings& folders, Warnings& warnings) {
  std::int64_t last_write = 0;
  std::unordered_multimap<std::uint64_t, const std::pair<PathState, std::string>*> seen_by_inode;
  for (const auto& entry : seen) {
    last_write = std::max(last_write, entry.first.modified);
    seen_by_inode.emplace(entry.first.id.inode, &entry);
  }
  std::vector<MovedFile> moved;
  for (auto& known : files_) {
    if (!known.expected) continue;
    const auto [first, last] = seen_by_inode.equal_range(known.position.id.inode);
    const auto here = [&](const auto& entry) {
      return same_file(known.position, entry.second->first.id, entry.second->second);
    };
    if (std::any_of(first, last, here)) continue;
    const auto file = find_renamed(known.position, folders);
    if (!file || !file->is(known.position.fingerprint).value_or(false)) {
      known.expected = false;
      report_loss(known, "is gone", warnings);
      continue;
    }
    known.position.id = file->id();  // the number of its device may have changed
    const PathState now{.id = file->id(), .size = file->size(), .modified = file->modified()};
    if (settled(now, file->path()) && last_write - std::max(file->modified(), file->changed()) > kColdAfter) {
      known.expected = false;
      continue;
    }
    moved.push_back({file->path(), file->id(), file->modified(), file->changed()});
  }
  return moved;
}

Result<KnownFiles::Likeness> KnownFiles::compare(const OpenFile& file) const {
  Likeness likeness = Likeness::none;
  for (const auto& known : files_) {
    const auto& [length, hash] = known.position.fingerprint;
    const bool same = known.position.id == file.id();
    // The first bytes of a line may be those of any file: a copy has a whole fingerprint, or nothing else.
    const bool tells = length == kFingerprintBytesMax || (length == known.position.offset && length == file.size());
    if (!same && (!tells || length == 0)) continue;
    TRY_ASSIGN(const bool alike, file.is(known.position.fingerprint));
    if (alike && same) return Likeness::same;
    if (alike) likeness = Likeness::copy;
  }
  return likeness;
}

bool KnownFiles::followed_another(const std::string& home, const std::optional<PathState>& now) const {
  return std::ranges::any_of(files_, [&](const Known& known) {
    return known.position.home == home && !(now && same_file(known.position, now->id, home));
  });
}

std::int64_t KnownFiles::followed_since(const std::string& home) const {
  std::int64_t since = 0;
  for (const auto& [position, partition, expected] : files_) {
    if (position.home != home || position.followed_since == 0) continue;
    since = since == 0 ? position.followed_since : std::min(since, position.followed_since);
  }
  return since;
}

}  // namespace penstock::sources::file
