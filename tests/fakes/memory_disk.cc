#include "tests/fakes/memory_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

namespace penstock::fakes {
namespace {

constexpr std::size_t kSector = 512;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string_view word_of(MemoryDisk::Verb verb) {
  using Verb = MemoryDisk::Verb;
  switch (verb) {
    case Verb::any: break;
    case Verb::append: return "write";
    case Verb::sync: return "sync";
    case Verb::truncate: return "truncate";
    case Verb::open_append:
    case Verb::open_read: return "open";
    case Verb::read: return "read";
    case Verb::size: return "stat";
    case Verb::write_atomically: return "write the draft of";
    case Verb::rename: return "rename to";
    case Verb::remove: return "remove";
    case Verb::link: return "link";
    case Verb::sync_directory: return "sync the folder";
    case Verb::create_directories: return "create the folder";
    case Verb::list: return "list";
    case Verb::exists: return "look for";
    case Verb::space: return "ask for the free space of";
    case Verb::lock: return "lock";
  }
  return "";
}

// What is left of `live` when only `synced` of it was promised.
std::string after_power_cut(const std::string& synced, const std::string& live, MemoryDisk::Unsynced keep,
                            std::mt19937_64& random) {
  if (keep == MemoryDisk::Unsynced::lost || live.size() <= synced.size()) return synced;
  const std::size_t unsynced = live.size() - synced.size();
  const std::size_t kept = random() % (unsynced + 1);
  std::string left = synced + live.substr(synced.size(), kept);
  if (keep == MemoryDisk::Unsynced::scattered) {
    for (std::size_t at = synced.size(); at < left.size();) {
      const std::size_t end = std::min(left.size(), (at / kSector + 1) * kSector);
      if (random() % 2 == 0) std::fill(left.begin() + static_cast<long>(at), left.begin() + static_cast<long>(end), '\0');
      at = end;
    }
  }
  return left;
}

}  // namespace

class MemoryDisk::OpenAppend final : public AppendFile {
 public:
  OpenAppend(MemoryDisk& disk, std::shared_ptr<File> file, std::string path)
      : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
  Result<void> append(std::string_view bytes) override { return disk_.append(*file_, path_, bytes); }
  Result<void> sync() override { return disk_.sync(*file_, path_); }
  Result<void> truncate(std::uint64_t size) override { return disk_.truncate(*file_, path_, size); }
  std::uint64_t size() const override {
    const std::lock_guard lock(disk_.mutex_);
    return file_->live.size();
  }

 private:
  MemoryDisk& disk_;
  std::shared_ptr<File> file_;
  std::string path_;
};

class MemoryDisk::OpenRead final : public ReadFile {
 public:
  OpenRead(MemoryDisk& disk, std::shared_ptr<File> file, std::string path)
      : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
  Result<std::size_t> read(std::uint64_t offset, char* out, std::size_t out_size) const override {
    const std::lock_guard lock(disk_.mutex_);
    TRY(disk_.enter(Verb::read, path_));
    if (offset >= file_->live.size()) return 0;
    const auto count = std::min<std::size_t>(out_size, file_->live.size() - offset);
    std::memcpy(out, file_->live.data() + offset, count);
    return count;
  }
  Result<std::uint64_t> size() const override {
    const std::lock_guard lock(disk_.mutex_);
    TRY(disk_.enter(Verb::size, path_));
    return file_->live.size();
  }

 private:
  MemoryDisk& disk_;
  std::shared_ptr<File> file_;
  std::string path_;
};

class MemoryDisk::HeldLock final : public FileLock {
 public:
  HeldLock(MemoryDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~HeldLock() override {
    const std::lock_guard lock(disk_.mutex_);
    disk_.locks_.erase(path_);
  }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  MemoryDisk& disk_;
  std::string path_;
};

void MemoryDisk::fail(Verb verb, int error_number, int skip, int times, std::string path) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({verb, error_number, skip, times, std::move(path)});
}

void MemoryDisk::fail_no_more() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void MemoryDisk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void MemoryDisk::hold_syncs() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void MemoryDisk::release_syncs() {
  {
    const std::lock_guard lock(mutex_);
    holding_ = false;
  }
  changed_.notify_all();
}

void MemoryDisk::release_one_sync() {
  std::unique_lock lock(mutex_);
  ++permits_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return permits_ == 0; });
}

void MemoryDisk::wait_for_held_sync() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return held_ > 0; });
}

std::unique_ptr<MemoryDisk> MemoryDisk::crash(std::uint64_t seed, Unsynced keep) const {
  std::mt19937_64 random(seed);
  auto after = std::make_unique<MemoryDisk>();
  const std::lock_guard lock(mutex_);
  after->directories_ = directories_;
  Names candidates = synced_names_;
  for (const auto& [path, file] : names_) {
    const auto synced = synced_names_.find(path);
    if (synced != synced_names_.end() && synced->second == file) continue;
    if (keep != Unsynced::lost && random() % 2 == 0) candidates[path] = file;
  }
  for (const auto& [path, file] : candidates) {
    const bool removed = !names_.contains(path);
    if (removed && keep != Unsynced::lost && random() % 2 == 0) continue;
    after->names_[path] = std::make_shared<File>();
    after->names_[path]->live = after_power_cut(file->synced, file->live, keep, random);
    after->names_[path]->synced = after->names_[path]->live;
  }
  after->synced_names_ = after->names_;
  return after;
}

std::string MemoryDisk::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return names_.at(path)->live;
}

void MemoryDisk::set_content(const std::string& path, std::string bytes) {
  const std::lock_guard lock(mutex_);
  auto file = std::make_shared<File>();
  file->live = file->synced = std::move(bytes);
  names_[path] = synced_names_[path] = file;
  for (auto folder = parent_of(path); directories_.insert(folder).second;) folder = parent_of(folder);
}

int MemoryDisk::calls(Verb verb) const {
  const std::lock_guard lock(mutex_);
  const auto it = calls_.find(verb);
  return it == calls_.end() ? 0 : it->second;
}

Result<void> MemoryDisk::create_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::create_directories, path));
  for (auto folder = path; directories_.insert(folder).second;) folder = parent_of(folder);
  return {};
}

Result<std::vector<std::string>> MemoryDisk::list(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::list, directory));
  if (!directories_.contains(directory)) return fail_errno("list " + directory, ENOENT);
  std::set<std::string> found;
  for (const auto& [path, file] : names_) {
    if (parent_of(path) == directory) found.insert(path.substr(directory.size() + 1));
  }
  for (const auto& folder : directories_) {
    if (folder != directory && parent_of(folder) == directory && folder.starts_with(directory + "/")) {
      found.insert(folder.substr(directory.size() + 1));
    }
  }
  return std::vector(found.begin(), found.end());
}

Result<bool> MemoryDisk::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::exists, path));
  return names_.contains(path) || directories_.contains(path);
}

Result<std::unique_ptr<AppendFile>> MemoryDisk::open_append(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::open_append, path));
  if (!directories_.contains(parent_of(path))) return fail_errno("open " + path, ENOENT);
  auto& file = names_[path];
  if (!file) file = std::make_shared<File>();
  return std::make_unique<OpenAppend>(*this, file, path);
}

Result<std::unique_ptr<ReadFile>> MemoryDisk::open_read(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::open_read, path));
  const auto it = names_.find(path);
  if (it == names_.end()) return fail_errno("open " + path, ENOENT);
  return std::make_unique<OpenRead>(*this, it->second, path);
}

Result<std::string> MemoryDisk::read_all(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::read, path));
  const auto it = names_.find(path);
  if (it == names_.end()) return fail_errno("open " + path, ENOENT);
  return it->second->live;
}

Result<void> MemoryDisk::write_atomically(const std::string& path, std::string_view content) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::write_atomically, path));
  if (used() + content.size() > capacity_) return fail_errno("write " + path, ENOSPC);
  TRY(enter(Verb::rename, path));
  auto file = std::make_shared<File>();
  file->live = file->synced = std::string(content);
  names_[path] = file;
  TRY(enter(Verb::sync_directory, parent_of(path)));
  synced_names_[path] = file;
  return {};
}

Result<void> MemoryDisk::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::remove, path));
  if (names_.erase(path) == 0) return fail_errno("remove " + path, ENOENT);
  return {};
}

Result<bool> MemoryDisk::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::link, from));
  if (!links_) return false;
  if (!names_.contains(from)) return fail_errno("link " + from, ENOENT);
  if (names_.contains(to)) return fail_errno("link to " + to, EEXIST);
  names_[to] = names_[from];
  return true;
}

Result<void> MemoryDisk::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::sync_directory, path));
  std::erase_if(synced_names_, [&](const auto& entry) { return parent_of(entry.first) == path; });
  for (const auto& [name, file] : names_) {
    if (parent_of(name) == path) synced_names_[name] = file;
  }
  return {};
}

void MemoryDisk::refuse_links() {
  const std::lock_guard lock(mutex_);
  links_ = false;
}

void MemoryDisk::set_space(Space space) {
  const std::lock_guard lock(mutex_);
  space_ = space;
}

Result<Disk::Space> MemoryDisk::space(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::space, path));
  return space_;
}

Result<std::unique_ptr<FileLock>> MemoryDisk::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::lock, path));
  if (!locks_.insert(path).second) return penstock::fail(ErrorKind::conflict, path + " is held by process 1");
  return std::make_unique<HeldLock>(*this, path);
}

Result<void> MemoryDisk::enter(Verb verb, const std::string& path) {
  ++calls_[verb];
  ++calls_[Verb::any];
  for (Fault& fault : faults_) {
    const bool meant = fault.verb == verb || fault.verb == Verb::any;
    if (!meant || fault.times == 0 || path.find(fault.path) == std::string::npos) continue;
    if (fault.skip-- > 0) continue;
    fault.skip = 0;
    --fault.times;
    return fail_errno(fmt::format("injected: {} {}", word_of(verb), path), fault.error_number);
  }
  return {};
}

Result<void> MemoryDisk::append(File& file, const std::string& path, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (auto entered = enter(Verb::append, path); !entered) {
    file.live.append(bytes.substr(0, bytes.size() / 2));
    return entered;
  }
  const std::uint64_t room = capacity_ - std::min(capacity_, used());
  file.live.append(bytes.substr(0, room));
  if (room < bytes.size()) return fail_errno("write " + path, ENOSPC);
  return {};
}

Result<void> MemoryDisk::sync(File& file, const std::string& path) {
  std::unique_lock lock(mutex_);
  if (holding_) {
    ++held_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !holding_ || permits_ > 0; });
    --held_;
    if (holding_) --permits_;
    changed_.notify_all();
  }
  TRY(enter(Verb::sync, path));
  if (file.cut_below_synced) {
    file.synced = file.live;
  } else {
    file.synced.append(file.live, file.synced.size());
  }
  file.cut_below_synced = false;
  return {};
}

Result<void> MemoryDisk::truncate(File& file, const std::string& path, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  TRY(enter(Verb::truncate, path));
  file.live.resize(size);
  if (size < file.synced.size()) file.cut_below_synced = true;
  return {};
}

std::uint64_t MemoryDisk::used() const {
  std::uint64_t sum = 0;
  for (const auto& [path, file] : names_) sum += file->live.size();
  return sum;
}

}  // namespace penstock::fakes
