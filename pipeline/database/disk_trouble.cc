#include "pipeline/database/disk_trouble.h"

#include <fmt/format.h>
#include <rocksdb/env.h>

#include <cstdarg>
#include <utility>

#include "pipeline/base/log.h"

namespace penstock::database {
namespace {

// More than opening a database writes.
constexpr std::size_t kRoom = 4 << 20;

// What RocksDB would say of itself.
class Unsaid final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

Result<void> look_for_room(rocksdb::Env& env, const std::string& folder) {
  const std::string file = folder + "/room";
  const auto status = rocksdb::WriteStringToFile(&env, std::string(kRoom, ' '), file, true);
  // One that is left is written over by the next look.
  [[maybe_unused]] const auto removed = env.DeleteFile(file);
  if (!status.ok())
    return fail(ErrorKind::unavailable, fmt::format("there is no room in {}: {}", folder, status.ToString()));
  return {};
}

}  // namespace

void DiskTrouble::watch(rocksdb::DBOptions& options, std::shared_ptr<DiskTrouble> trouble) {
  options.max_bgerror_resume_count = 0;
  trouble->compacts_ = true;
  options.listeners.push_back(std::move(trouble));
}

Result<DiskTrouble::Held> DiskTrouble::hold() const {
  Held held(opened_);
  const std::lock_guard lock(mutex_);
  if (lost_) return fail(*failure_);
  return held;
}

std::optional<Error> DiskTrouble::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<Error> DiskTrouble::damage() const {
  const std::lock_guard lock(mutex_);
  return damage_;
}

Result<void> DiskTrouble::mend(rocksdb::Env& env, const std::string& folder, const std::function<Result<void>()>& reopen) {
  if (!refuses_) return {};
  if (auto final = failure()) return fail(*std::move(final));
  const std::unique_lock alone(opened_);
  if (!refuses_) return {};
  TRY(look_for_room(env, folder));
  closing_ = true;
  auto opened = reopen();
  closing_ = false;
  if (!opened) {
    const std::lock_guard lock(mutex_);
    lost_ = true;
    failure_ = std::move(opened).error().context(what_ + " cannot be opened again");
    return fail(*failure_);
  }
  refuses_ = false;
  log_info(component_, "{} can be written again", what_);
  return {};
}

void DiskTrouble::note(const rocksdb::Status& error) {
  // What comes after there was no room is its consequence, whatever it is called.
  if (closing_ || refuses_ || error.ok() || error.IsShutdownInProgress()) return;
  if (error.IsNoSpace()) {
    if (refuses_.exchange(true)) return;
    return log_error(component_, "{} cannot be written: {}; make room on its disk, and it goes on by itself", what_,
                     error.ToString());
  }
  note_final(error);
}

void DiskTrouble::note_final(const rocksdb::Status& error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) {
    failure_ = error_of(what_ + " cannot be written any more", error);
    if (error.IsCorruption() && !if_damaged_.empty()) failure_->message += "; " + if_damaged_;
  }
  refuses_ = true;
}

// On the thread whose work failed. A status that is made OK stops nothing; RocksDB then tries the compaction again, after a second.
void DiskTrouble::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  if (!keeps_damage_ || reason != rocksdb::BackgroundErrorReason::kCompaction || !error->IsCorruption()) return note(*error);
  const std::lock_guard lock(mutex_);
  if (!damage_) {
    damage_ = reading_error(what_ + " has a damaged table", *error);
    log_error(component_, "{}; until then it goes on, and is not compacted any more", damage_->message);
  }
  *error = rocksdb::Status::OK();
}

void DiskTrouble::stop_compacting(rocksdb::DB& database, const std::vector<rocksdb::ColumnFamilyHandle*>& families) {
  if (!damage() || !compacts_.exchange(false)) return;
  for (auto* family : families) {
    const auto status = database.SetOptions(family, {{"disable_auto_compactions", "true"}});
    if (!status.ok()) log_warning(component_, "{}: compaction cannot be switched off: {}", what_, status.ToString());
  }
}

void DiskTrouble::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* automatic) {
  *automatic = false;
}

std::shared_ptr<rocksdb::Logger> no_log() {
  static const auto unsaid = std::make_shared<Unsaid>();
  return unsaid;
}

Error error_of(std::string_view what, const rocksdb::Status& status) {
  const auto kind = status.IsCorruption() ? ErrorKind::corrupt : status.IsNoSpace() ? ErrorKind::unavailable : ErrorKind::io;
  return {kind, fmt::format("{}: {}", what, status.ToString())};
}

Error reading_error(std::string_view what, const rocksdb::Status& status) {
  Error error = error_of(what, status);
  if (status.IsCorruption()) error.message += "; stop and run `penstock doctor --verify`, which says what to do";
  return error;
}

Error opening_error(std::string_view what, const rocksdb::Status& status) {
  Error error = error_of(what, status);
  if (status.IsNoSpace()) error.message += "; make room on its disk, and start again";
  return error;
}

}  // namespace penstock::database
