#include "connectors/sources/file/known_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::sources::file {
namespace {

// The same inode; and the same device too, or the same path: device numbers may change when the machine starts again.
bool same_file(const FilePosition& known, const FileId& id, const std::string& path) {
  return known.id.inode == id.inode && (known.id.device == id.device || known.path == path);
}

void report_loss(const FilePosition& position, std::string_view how, Warnings& warnings) {
  if (position.complete) return;
  warnings.push_back(
      fmt::format("{} {} before it was read to its end: what came after byte {} is lost (its size was {} bytes)",
                  position.path, how, position.offset, position.size_seen));
}

}  // namespace

Result<void> KnownFiles::load(const std::vector<SourcePosition>& stored) {
  for (const auto& entry : stored) {
    auto position = decode_file_position(entry.position);
    if (!position) return fail(std::move(position).error().context("stored position of file " + entry.partition));
    files_.push_back(Known{*std::move(position), entry.partition, true});
  }
  for (auto& known : files_) {  // an older content of the same inode is over, and was reported when it ended
    known.expected = &known == newest(known.position.id, known.position.path);
  }
  return {};
}

const KnownFiles::Known* KnownFiles::newest(const FileId& id, const std::string& path) const {
  const Known* found = nullptr;
  for (const auto& known : files_) {
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
  Known* known = newest(file->id(), path);
  if (known == nullptr) return file;
  TRY_ASSIGN(const bool same, file->is(known->position.fingerprint));
  if (same) {
    file->resume(known->position, known->partition);
  } else {
    if (known->expected) report_loss(known->position, "was replaced", warnings);
    file->start(known->position.generation + 1);
  }
  known->expected = false;
  return file;
}

void KnownFiles::put_back(const OpenFile& file, bool expected) {
  if (file.partition().empty()) return;
  const auto at = std::ranges::find(files_, file.partition(), &Known::partition);
  if (at == files_.end()) {
    files_.push_back(Known{file.position(), file.partition(), expected});
  } else {
    *at = Known{file.position(), file.partition(), expected};
  }
}

bool KnownFiles::settled(const PathState& now, const std::string& path) const {
  const Known* known = newest(now.id, path);
  return known != nullptr && known->position.complete && known->position.size_seen == now.size;
}

std::vector<std::string> KnownFiles::search(const std::vector<std::pair<PathState, std::string>>& seen, Warnings& warnings) {
  std::vector<std::string> renamed;
  for (auto& known : files_) {
    if (!known.expected) continue;
    const auto here = [&](const auto& entry) { return same_file(known.position, entry.first.id, entry.second); };
    if (std::ranges::any_of(seen, here)) continue;
    known.expected = false;
    auto path = find_renamed(known.position.path, known.position.id.inode);
    const auto file = path.empty() ? nullptr : OpenFile::open(path).value_or(nullptr);
    if (file && file->is(known.position.fingerprint).value_or(false)) {
      renamed.push_back(std::move(path));
    } else {
      report_loss(known.position, "is gone", warnings);
    }
  }
  return renamed;
}

}  // namespace penstock::sources::file
