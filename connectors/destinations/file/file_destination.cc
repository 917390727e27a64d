#include "connectors/destinations/file/file_destination.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "connectors/destinations/file/whole_part.h"
#include "pipeline/base/log.h"
#include "pipeline/event/envelope.h"

namespace penstock::destinations::file {
namespace {

constexpr int kNamesMax = 10'000;

std::string resolved(const std::string& base_folder, const std::string& path) {
  return (std::filesystem::path(base_folder) / path).lexically_normal().string();
}

// "20260801T100000Z"
std::string compact_time(Timestamp time) {
  const std::time_t seconds = time.ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc)};
}

Outcome unavailable(const Error& error) {
  return {.kind = Outcome::Kind::unavailable,
          .code = error.kind == ErrorKind::limit ? "enospc" : "io",
          .reason = error.message,
          .retry_after = {},
          .lost = true};
}

}  // namespace

FileSink::FileSink(Config config, const ConnectorContext& context)
    : config_(std::move(config)), clock_(context.clock), path_(resolved(context.base_folder, config_.path)),
      writing_path_(config_.atomic ? path_ + ".part" : path_), packer_(config_.compression) {}

Result<void> FileSink::open(std::stop_token) {
  if (file_ && file_->in_place()) return {};
  file_.reset();
  return open_file();
}

Result<void> FileSink::open_file() {
  TRY_ASSIGN(auto file, OutputFile::open(writing_path_));
  TRY_ASSIGN(const auto whole, whole_size(file->fd(), writing_path_, file->size(), config_.compression));
  if (whole < file->size()) {
    log_warning("file", "{} ended in the middle of a write: its last {} bytes are cut off", writing_path_,
                file->size() - whole);
    TRY(file->cut(whole));
    TRY(file->sync());
  }
  file_ = std::move(file);
  synced_size_ = file_->size();
  started_at_ = file_->born();
  return {};
}

void FileSink::write(std::span<const Batch> group, std::span<Outcomes> outcomes) {
  std::size_t written = 0;
  std::size_t durable = 0;
  Result<void> result = stay_in_place();
  while (result && written < group.size()) {
    if (rotation_due()) {
      result = sync();
      if (!result) break;
      durable = written;
      result = rotate();
      if (!result) break;
    }
    result = append(group[written]);
    if (result) ++written;
  }
  if (file_ && durable < written) {  // also when a later one failed: these are whole
    const auto synced = sync();
    if (synced) durable = written;
    if (!synced && result) result = synced;
  }
  for (std::size_t i = durable; i < group.size(); ++i) outcomes[i] = Outcomes::all(unavailable(result.error()));
  if (result) return;
  closed_for_ = result.error();
  file_.reset();  // connect opens it anew
}

// A file that was renamed or removed by someone else is finished; what comes goes to a new one.
Result<void> FileSink::stay_in_place() {
  // A write that was on its way when another failed is told the same.
  if (!file_) return fail(closed_for_.value_or(Error{ErrorKind::unavailable, writing_path_ + " is not open"}));
  if (file_->in_place()) {
    synced_size_ = file_->size();
    return {};
  }
  file_.reset();
  return open_file();
}

Result<void> FileSink::append(const Batch& batch) {
  if (batch.events.empty()) return {};
  lines_.clear();
  for (const auto& event : batch.events) append_line(lines_, event, config_.format == Format::envelope);
  if (file_->size() == 0) started_at_ = clock_.now();
  return file_->append(packer_.pack(lines_));
}

Result<void> FileSink::sync() {
  if (file_->size() == synced_size_) return {};
  auto synced = file_->sync();
  if (synced) {
    synced_size_ = file_->size();
  } else if (auto cut = file_->cut(synced_size_); !cut) {
    log_warning("file", "{}", cut.error().message);
  }
  return synced;
}

bool FileSink::rotation_due() const {
  if (file_->size() == 0) return false;
  if (config_.rotate.bytes && file_->size() >= config_.rotate.bytes->count) return true;
  return config_.rotate.every && clock_.now().ms - started_at_.ms >= config_.rotate.every->count();
}

Result<void> FileSink::rotate() {
  TRY(config_.atomic ? publish(false) : rename_rotated());
  file_.reset();
  return open_file();
}

Result<void> FileSink::rename_rotated() {
  const std::string stem = fmt::format("{}.{}", path_, compact_time(clock_.now()));
  for (int n = 1; n < kNamesMax; ++n) {
    const auto renamed = rename_to_free(writing_path_, n == 1 ? stem : fmt::format("{}-{}", stem, n));
    if (renamed) return sync_folder_of(path_);
    if (renamed.error().kind != ErrorKind::conflict) return renamed;
  }
  return fail(ErrorKind::conflict, fmt::format("{} to {}-{} all exist; move them away", stem, stem, kNamesMax));
}

// The complete .part gets its name.
Result<void> FileSink::publish(bool at_close) {
  const bool numbered = config_.rotate.bytes || config_.rotate.every;
  if (numbered || !at_close) return rename_rotated();
  const auto renamed = rename_to_free(writing_path_, path_);
  if (renamed) return sync_folder_of(path_);
  return renamed.error().kind == ErrorKind::conflict ? rename_rotated() : renamed;
}

void FileSink::tick() {
  if (!file_ || !file_->in_place() || !rotation_due()) return;
  if (const auto rotated = rotate(); !rotated) {
    log_warning("file", "rotation is late: {}", rotated.error().message);
    file_.reset();
  }
}

void FileSink::close() {
  if (file_ && config_.atomic && file_->in_place()) {
    Result<void> done;
    if (file_->size() > 0) {
      done = publish(true);
    } else {
      std::remove(writing_path_.c_str());
    }
    if (!done) log_warning("file", "{} keeps its name: {}", writing_path_, done.error().message);
  }
  file_.reset();
}

void register_in(Registry& registry) { registry.destinations.add<FileDestination>("file"); }
}  // namespace penstock::destinations::file
