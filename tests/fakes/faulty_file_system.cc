#include "tests/fakes/faulty_file_system.h"

#include <rocksdb/system_clock.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace penstock::fakes {
namespace {

using rocksdb::IOStatus;
using rocksdb::Slice;
namespace fs = std::filesystem;

// As RocksDB's own file system says it.
IOStatus io_status(const std::string& path, int error_number) {
  const std::string reason = std::strerror(error_number);
  if (error_number != ENOSPC) return IOStatus::IOError(path, reason);
  IOStatus status = IOStatus::NoSpace(path, reason);
  status.SetRetryable(true);
  return status;
}

bool takes_room(FaultyFileSystem::Verb verb) {
  using Verb = FaultyFileSystem::Verb;
  return verb == Verb::append || verb == Verb::create || verb == Verb::link;
}

bool reads(FaultyFileSystem::Verb verb) { return verb > FaultyFileSystem::Verb::any_read; }

std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// After a failed flush RocksDB's thread rests for a second.
class RestlessClock final : public rocksdb::SystemClockWrapper {
 public:
  RestlessClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "RestlessClock"; }
  void SleepForMicroseconds(int) override {}
};

class RestlessEnv final : public rocksdb::EnvWrapper {
 public:
  explicit RestlessEnv(std::unique_ptr<rocksdb::Env> env) : EnvWrapper(env.get()), env_(std::move(env)) {
    file_system_ = env_->GetFileSystem();
    system_clock_ = std::make_shared<RestlessClock>();
  }
  const char* Name() const override { return "RestlessEnv"; }

 private:
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace

class FaultyFileSystem::Writable final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Writable(FaultyFileSystem& disk, std::string path, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  IOStatus Append(const Slice& data, const Options& options, Debug* debug) override {
    const IOStatus entered = disk_.enter(Verb::append, path_);
    const Slice part(data.data(), entered.ok() ? data.size() : data.size() / 2);
    if (!disk_.calls_have_effect()) return entered;
    const IOStatus written = target()->Append(part, options, debug);
    disk_.appended(path_, part.size());
    return entered.ok() ? written : entered;
  }
  IOStatus Append(const Slice& data, const Options& options, const rocksdb::DataVerificationInfo&, Debug* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const Options& options, Debug* debug) override {
    return disk_.calls_have_effect() ? target()->Truncate(size, options, debug) : io_status(path_, EIO);
  }
  // Closing cuts off what was set aside for the file.
  IOStatus Close(const Options& options, Debug* debug) override { return target()->Close(options, debug); }
  IOStatus Sync(const Options& options, Debug* debug) override {
    const IOStatus entered = disk_.enter(Verb::sync, path_);
    if (!entered.ok()) return entered;
    const IOStatus done = target()->Sync(options, debug);
    if (done.ok()) disk_.synced(path_);
    return done;
  }
  IOStatus Fsync(const Options& options, Debug* debug) override { return Sync(options, debug); }

 private:
  FaultyFileSystem& disk_;
  const std::string path_;
};

class FaultyFileSystem::Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(FaultyFileSystem& disk, std::string path, std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)), disk_(disk), path_(std::move(path)) {}

  IOStatus Fsync(const Options&, Debug*) override {
    const IOStatus entered = disk_.enter(Verb::sync_directory, path_);
    if (entered.ok()) disk_.directory_synced(path_);
    return entered;
  }
  IOStatus FsyncWithDirOptions(const Options& options, Debug* debug, const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  FaultyFileSystem& disk_;
  const std::string path_;
};

class FaultyFileSystem::RandomAccess final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  RandomAccess(FaultyFileSystem& disk, std::string path, std::unique_ptr<rocksdb::FSRandomAccessFile> file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  IOStatus Read(std::uint64_t offset, std::size_t size, const Options& options, Slice* result, char* scratch,
                Debug* debug) const override {
    const IOStatus entered = disk_.enter(Verb::read, path_);
    return entered.ok() ? target()->Read(offset, size, options, result, scratch, debug) : entered;
  }

 private:
  FaultyFileSystem& disk_;
  const std::string path_;
};

class FaultyFileSystem::Sequential final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  Sequential(FaultyFileSystem& disk, std::string path, std::unique_ptr<rocksdb::FSSequentialFile> file)
      : FSSequentialFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)) {}

  IOStatus Read(std::size_t size, const Options& options, Slice* result, char* scratch, Debug* debug) override {
    const IOStatus entered = disk_.enter(Verb::read, path_);
    return entered.ok() ? target()->Read(size, options, result, scratch, debug) : entered;
  }

 private:
  FaultyFileSystem& disk_;
  const std::string path_;
};

FaultyFileSystem::FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

std::shared_ptr<FaultyFileSystem> FaultyFileSystem::make() {
  const std::shared_ptr<FaultyFileSystem> made(new FaultyFileSystem);
  // The environment borrows it: owning each other they would never go.
  const std::shared_ptr<rocksdb::FileSystem> borrowed(std::shared_ptr<void>(), made.get());
  made->env_ = std::make_unique<RestlessEnv>(rocksdb::NewCompositeEnv(borrowed));
  return made;
}

void FaultyFileSystem::fail(Verb verb, int error_number, int skip, int times, std::string path) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({verb, error_number, skip, times, std::move(path)});
}

void FaultyFileSystem::fail_no_more() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void FaultyFileSystem::set_full(bool full) {
  const std::lock_guard lock(mutex_);
  full_ = full;
}

void FaultyFileSystem::power_off() {
  const std::lock_guard lock(mutex_);
  power_ = false;
}

void FaultyFileSystem::power_on(Unsynced unsynced) {
  const std::lock_guard lock(mutex_);
  power_ = true;
  faults_.clear();
  for (const auto& [path, file] : files_) {
    if (!fs::exists(path)) continue;
    fs::resize_file(path, unsynced == Unsynced::kept ? file.size : file.synced);
  }
  for (auto it = namings_.rbegin(); unsynced == Unsynced::lost && it != namings_.rend(); ++it) {
    if (!fs::exists(it->path)) continue;  // somebody else moved it since
    if (it->over) std::ofstream(it->path, std::ios::binary) << *it->over;
    else if (!it->from.empty()) fs::rename(it->path, it->from);
    else fs::remove(it->path);
  }
  namings_.clear();
  files_.clear();
}

int FaultyFileSystem::calls(Verb verb) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(verb);
  return found == calls_.end() ? 0 : found->second;
}

bool FaultyFileSystem::calls_have_effect() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

IOStatus FaultyFileSystem::enter(Verb verb, const std::string& path) {
  const std::lock_guard lock(mutex_);
  ++calls_[verb];
  const Verb all_such = reads(verb) ? Verb::any_read : Verb::any;
  ++calls_[all_such];
  if (!power_) return io_status(path, EIO);
  if (full_ && takes_room(verb)) return io_status(path, ENOSPC);
  for (Fault& fault : faults_) {
    const bool meant = fault.verb == verb || fault.verb == all_such;
    if (!meant || path.find(fault.path) == std::string::npos) continue;
    if (fault.skip-- > 0) continue;
    if (fault.times-- <= 0) continue;
    return io_status(path, fault.error_number);
  }
  return IOStatus::OK();
}

void FaultyFileSystem::appended(const std::string& path, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  files_[path].size += bytes;
}

void FaultyFileSystem::synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_[path].synced = files_[path].size;
}

void FaultyFileSystem::directory_synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::erase_if(namings_, [&](const Naming& naming) { return fs::path(naming.path).parent_path() == fs::path(path); });
}

IOStatus FaultyFileSystem::NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSSequentialFile>* file, Debug* debug) {
  IOStatus done = enter(Verb::open, path);
  if (!done.ok()) return done;
  std::unique_ptr<rocksdb::FSSequentialFile> opened;
  done = target()->NewSequentialFile(path, options, &opened, debug);
  if (done.ok()) *file = std::make_unique<Sequential>(*this, path, std::move(opened));
  return done;
}

IOStatus FaultyFileSystem::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file, Debug* debug) {
  IOStatus done = enter(Verb::open, path);
  if (!done.ok()) return done;
  std::unique_ptr<rocksdb::FSRandomAccessFile> opened;
  done = target()->NewRandomAccessFile(path, options, &opened, debug);
  if (done.ok()) *file = std::make_unique<RandomAccess>(*this, path, std::move(opened));
  return done;
}

IOStatus FaultyFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* file, Debug* debug) {
  IOStatus done = enter(Verb::create, path);
  if (!done.ok()) return done;
  std::unique_ptr<rocksdb::FSWritableFile> opened;
  done = target()->NewWritableFile(path, options, &opened, debug);
  if (!done.ok()) return done;
  *file = std::make_unique<Writable>(*this, path, std::move(opened));
  const std::lock_guard lock(mutex_);
  files_[path] = {};
  namings_.push_back({path, {}, std::nullopt});
  return done;
}

IOStatus FaultyFileSystem::NewDirectory(const std::string& path, const Options& options,
                                        std::unique_ptr<rocksdb::FSDirectory>* directory, Debug* debug) {
  std::unique_ptr<rocksdb::FSDirectory> opened;
  const IOStatus done = target()->NewDirectory(path, options, &opened, debug);
  if (done.ok()) *directory = std::make_unique<Directory>(*this, path, std::move(opened));
  return done;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& path, const Options& options, Debug* debug) {
  IOStatus done = enter(Verb::remove, path);
  if (!done.ok()) return done;
  done = target()->DeleteFile(path, options, debug);
  const std::lock_guard lock(mutex_);
  files_.erase(path);
  std::erase_if(namings_, [&](const Naming& naming) { return naming.path == path; });
  return done;
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from, const std::string& to, const Options& options, Debug* debug) {
  IOStatus done = enter(Verb::rename, to);
  if (!done.ok()) return done;
  Naming naming{to, from, std::nullopt};
  if (fs::exists(to)) naming.over = content_of(to);
  done = target()->RenameFile(from, to, options, debug);
  if (!done.ok()) return done;
  const std::lock_guard lock(mutex_);
  namings_.push_back(std::move(naming));
  if (const auto found = files_.extract(from); !found.empty()) files_[to] = found.mapped();
  return done;
}

IOStatus FaultyFileSystem::LinkFile(const std::string& from, const std::string& to, const Options& options, Debug* debug) {
  IOStatus done = enter(Verb::link, to);
  if (!done.ok()) return done;
  done = target()->LinkFile(from, to, options, debug);
  const std::lock_guard lock(mutex_);
  if (done.ok()) namings_.push_back({to, {}, std::nullopt});
  return done;
}

IOStatus FaultyFileSystem::CreateDirIfMissing(const std::string& path, const Options& options, Debug* debug) {
  const IOStatus entered = enter(Verb::create_directory, path);
  return entered.ok() ? target()->CreateDirIfMissing(path, options, debug) : entered;
}

IOStatus FaultyFileSystem::LockFile(const std::string& path, const Options& options, rocksdb::FileLock** lock,
                                    Debug* debug) {
  const IOStatus entered = enter(Verb::lock, path);
  return entered.ok() ? target()->LockFile(path, options, lock, debug) : entered;
}

IOStatus FaultyFileSystem::GetChildren(const std::string& path, const Options& options, std::vector<std::string>* names,
                                       Debug* debug) {
  const IOStatus entered = enter(Verb::list, path);
  return entered.ok() ? target()->GetChildren(path, options, names, debug) : entered;
}

IOStatus FaultyFileSystem::GetFileSize(const std::string& path, const Options& options, std::uint64_t* size, Debug* debug) {
  const IOStatus entered = enter(Verb::size, path);
  return entered.ok() ? target()->GetFileSize(path, options, size, debug) : entered;
}

}  // namespace penstock::fakes
