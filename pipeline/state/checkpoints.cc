#include "pipeline/state/checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "pipeline/base/log.h"
#include "pipeline/ports/folders.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/state/state_folder.h"

namespace penstock::state {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 2;
// Names that no checkpoint has.
constexpr std::string_view kDraft = "draft";
constexpr std::string_view kLeaving = "leaving";

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<Checkpoint> read_name(const std::string& folder, const std::string& name) {
  Checkpoint checkpoint{.folder = folder + "/" + name};
  const auto dash = name.find('-');
  if (dash == std::string::npos || !read_number(std::string_view(name).substr(0, dash), checkpoint.next_sequence) ||
      !read_number(std::string_view(name).substr(dash + 1), checkpoint.taken_at.ms)) {
    return std::nullopt;
  }
  return checkpoint;
}

}  // namespace

Result<std::vector<Checkpoint>> Checkpoints::list() const {
  std::vector<Checkpoint> found;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    if (auto checkpoint = read_name(folder_, it->path().filename().string())) found.push_back(*std::move(checkpoint));
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(ErrorKind::io, fmt::format("list the checkpoints in {}: {}", folder_, error.message()));
  std::ranges::sort(found, [](const Checkpoint& a, const Checkpoint& b) {
    return std::pair(a.next_sequence, a.taken_at) > std::pair(b.next_sequence, b.taken_at);
  });
  return found;
}

Result<Checkpoint> Checkpoints::take(const Database& database) {
  const std::string draft = fmt::format("{}/{}", folder_, kDraft);
  TRY(posix_disk().create_directories(folder_));
  for (const std::string& left : {draft, draft + ".tmp", fmt::format("{}/{}", folder_, kLeaving)}) TRY(remove_folder(left));
  TRY(copy_database(database, draft));
  Checkpoint taken{.taken_at = around_.clock.now()};
  {
    TRY_ASSIGN(const Database copy, open_read_only(draft, around_));
    TRY_ASSIGN(const Standing standing, read_standing(copy, draft));
    taken.next_sequence = standing.next_sequence;
  }
  taken.folder = fmt::format("{}/{:020}-{}", folder_, taken.next_sequence, taken.taken_at.ms);
  TRY(move_folder(draft, taken.folder));
  TRY_ASSIGN(const auto all, list());
  for (std::size_t i = kKept; i < all.size(); ++i) {
    // One too many is no harm, and the next one tries again.
    if (const auto removed = remove(all[i]); !removed) log_warning("state", "{}", removed.error().message);
  }
  return taken;
}

Result<void> Checkpoints::check(const Checkpoint& checkpoint) const {
  TRY_ASSIGN(const Database database, open_read_only(checkpoint.folder, around_));
  TRY_ASSIGN(const Standing standing, read_standing(database, checkpoint.folder));
  if (standing.next_sequence == checkpoint.next_sequence) return {};
  return fail(ErrorKind::corrupt, fmt::format("{} stands before record {}", checkpoint.folder, standing.next_sequence));
}

Result<void> Checkpoints::verify(const Checkpoint& checkpoint) const {
  TRY(check(checkpoint));
  TRY_ASSIGN(const Database database, open_read_only(checkpoint.folder, around_));
  return state::verify(database);
}

Result<void> Checkpoints::restore(const Checkpoint& checkpoint, const std::string& to) const {
  TRY(check(checkpoint));
  TRY(copy_folder(checkpoint.folder, to));
  TRY_ASSIGN(const Database database, open_read_only(to, around_));
  return state::verify(database);
}

// What is half removed must not look like a checkpoint.
Result<void> Checkpoints::remove(const Checkpoint& checkpoint) {
  const std::string leaving = fmt::format("{}/{}", folder_, kLeaving);
  TRY(remove_folder(leaving));
  TRY(move_folder(checkpoint.folder, leaving));
  return remove_folder(leaving);
}

}  // namespace penstock::state
