// links: logs_local log event
// What the local log costs: CPU of the whole process per durable event of about 950 bytes (records of 1000 events, up to
// eight in flight, every one answered after its sync), and how long it takes to open a large log after kill -9.
//
//   log_bench [--events N] [--open-mib N] [--segment-mib N] [--folder F]
//
// Each append figure is one of five runs on a new folder, with what is read back checked against what was appended. The
// large log is written by a child that kills itself in the middle of appending; its pages are dropped before it is opened.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "connectors/logs/local/local_log.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock {
namespace {

namespace fs = std::filesystem;
using logs::local::LocalLog;

constexpr int kEventsPerRecord = 1000;
constexpr std::size_t kInFlight = 8;

template <class T>
T must(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return *std::move(result);
    }
  }
  fmt::print(stderr, "log_bench: {}\n", result.error().message);
  std::exit(1);
}

void require(bool holds, std::string_view what) {
  if (holds) return;
  fmt::print(stderr, "log_bench: {}\n", what);
  std::exit(1);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double wall_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// A page view as an SDK sends it: what repeats, repeats; ids and paths do not.
std::string body(std::mt19937_64& random, int number) {
  const auto id = [&] { return fmt::format("{:016x}{:016x}", random(), random()); };
  std::string text = fmt::format(
      R"({{"event":"$pageview","uuid":"{}","distinct_id":"user-{}","timestamp":"2026-08-01T10:{:02}:{:02}.123Z","properties":{{)"
      R"("$current_url":"https://shop.example.com/products/{}?ref={}","$host":"shop.example.com","$pathname":"/products/{}",)"
      R"("$browser":"Chrome","$browser_version":{},"$os":"Mac OS X","$os_version":"10.15.7","$device_type":"Desktop",)"
      R"("$screen_height":1080,"$screen_width":1920,"$viewport_height":{},"$viewport_width":1440,"$lib":"web",)"
      R"("$lib_version":"1.155.0","$session_id":"{}","$window_id":"{}","$referrer":"https://www.example.org/search",)"
      R"("plan":"pro","price":{}.{:02},"currency":"EUR","experiments":["checkout-{}","menu-b"],"note":")",
      id(), random() % 20000, number / 60 % 60, number % 60, random() % 100000, random() % 1000, random() % 100000,
      120 + random() % 9, 700 + random() % 200, id(), id(), random() % 500, random() % 100, random() % 7);
  while (text.size() < 940) text += fmt::format("{:x} ", random() % 65536);
  return text + R"("}})";
}

struct Sample {
  Facts facts;
  std::string distinct_id;
  std::string body;
};

std::vector<Sample> samples(int count) {
  std::mt19937_64 random(42);
  std::vector<Sample> made(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    Sample& sample = made[static_cast<std::size_t>(i)];
    sample.body = body(random, i);
    sample.distinct_id = fmt::format("user-{}", random() % 20000);
    sample.facts = Facts{.uuid = Uuid::v5(Uuid{}, sample.body),
                         .project = "shop",
                         .event = "$pageview",
                         .distinct_id = sample.distinct_id,
                         .person_id = {},
                         .source = "web",
                         .timestamp = Timestamp{1'785'578'400'000 + i},
                         .received_at = Timestamp{1'785'578'400'200 + i}};
  }
  return made;
}

// `count` records, each spread over `partitions` chunks.
LogRecord build_record(const std::vector<Sample>& events, int partitions, std::vector<ChunkBuilder>& builders) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    builders[i % static_cast<std::size_t>(partitions)].add(events[i].facts, events[i].body);
  }
  LogRecord record;
  for (int p = 0; p < partitions; ++p) builders[static_cast<std::size_t>(p)].finish(record.chunks.emplace_back());
  return record;
}

// At most kInFlight appends wait for their sync.
class Window {
 public:
  void append(Log& log, LogRecord record) {
    {
      std::unique_lock lock(mutex_);
      freed_.wait(lock, [&] { return in_flight_ < kInFlight; });
      ++in_flight_;
    }
    log.append(LogName::events, std::move(record), [this](Result<Appended> done) {
      require(done.has_value(), done ? "" : done.error().message);
      const std::lock_guard lock(mutex_);
      --in_flight_;
      freed_.notify_all();
    });
  }
  void drain() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return in_flight_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::size_t in_flight_ = 0;
};

std::unique_ptr<LocalLog> open_log(const std::string& folder, Bytes segment_bytes = 64_MiB) {
  return must(LocalLog::open({.folder = folder, .segment_bytes = segment_bytes}, posix_disk(), system_clock()));
}

void check_readback(Log& log, const std::vector<Sample>& events, int records) {
  const auto reader = must(log.read(LogName::events, {}));
  std::size_t seen = 0;
  while (const auto record = must(reader->next())) {
    std::size_t in_record = 0;
    for (const auto& chunk : record->chunks) {
      in_record += chunk->size();
      if (record->sequence % 50 != 0) continue;
      for (std::uint32_t i = 0; i < chunk->size(); ++i) {
        const auto& sample = events[static_cast<std::size_t>(chunk->partition()) + i * record->chunks.size()];
        require(must(chunk->body(i)) == sample.body, "an event came back changed");
      }
    }
    require(in_record == events.size(), "events are missing from a record");
    ++seen;
  }
  require(seen == static_cast<std::size_t>(records), "records are missing");
}

void append_run(const std::string& folder, int events, int partitions, bool prebuilt) {
  fs::remove_all(folder);
  const auto batch = samples(kEventsPerRecord);
  std::size_t plain = 0;
  for (const auto& sample : batch) plain += sample.body.size();
  std::vector<ChunkBuilder> builders;
  for (int p = 0; p < partitions; ++p) builders.emplace_back(p);
  const LogRecord ready = build_record(batch, partitions, builders);
  const int records = events / kEventsPerRecord;
  const auto log = open_log(folder);
  Window window;
  const double cpu = cpu_seconds(), wall = wall_seconds();
  for (int i = 0; i < records; ++i) {
    LogRecord record;
    if (prebuilt) {
      record.chunks = ready.chunks;
    } else {
      record = build_record(batch, partitions, builders);
    }
    window.append(*log, std::move(record));
  }
  window.drain();
  const double cpu_used = cpu_seconds() - cpu, wall_used = wall_seconds() - wall;
  const double total = static_cast<double>(records) * kEventsPerRecord;
  fmt::print("append {:>2} chunks/record, {}: {:.3f} us CPU/event, {:.0f} k events/s, {:.0f} B stored of {} B\n", partitions,
             prebuilt ? "chunks ready  " : "chunks built  ", cpu_used / total * 1e6, total / wall_used / 1e3,
             static_cast<double>(log->bytes(LogName::events)) / total, plain / batch.size());
  check_readback(*log, batch, records);
}

// Never returns: appends until the log has that many bytes, and dies with records queued.
[[noreturn]] void fill_and_die(const std::string& folder, std::uint64_t bytes, Bytes segment_bytes) {
  std::vector<ChunkBuilder> builders;
  for (int p = 0; p < 16; ++p) builders.emplace_back(p);
  const LogRecord ready = build_record(samples(kEventsPerRecord), 16, builders);
  const auto log = open_log(folder, segment_bytes);
  Window window;
  while (log->bytes(LogName::events) < bytes) {
    LogRecord record;
    record.chunks = ready.chunks;
    window.append(*log, std::move(record));
  }
  ::kill(::getpid(), SIGKILL);
  std::abort();
}

void drop_pages(const std::string& folder) {
  for (const auto& file : fs::recursive_directory_iterator(folder)) {
    if (!file.is_regular_file()) continue;
    const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

void open_run(const std::string& folder, std::uint64_t mib, Bytes segment_bytes) {
  fs::remove_all(folder);
  const pid_t child = ::fork();
  if (child == 0) fill_and_die(folder, mib << 20, segment_bytes);
  int status = 0;
  ::waitpid(child, &status, 0);
  require(WIFSIGNALED(status), "the child did not die as it should");
  for (const bool cold : {true, false}) {
    if (cold) drop_pages(folder);
    const double start = wall_seconds();
    const auto log = open_log(folder);
    const double opened = wall_seconds();
    Offsets middle = log->end(LogName::events);
    for (auto& offset : middle) offset /= 2;
    require(must(must(log->read(LogName::events, middle))->next()) != nullptr, "nothing in the middle");
    fmt::print("open after kill -9, {} MiB, {}: {:.3f} s; then a seek to the middle and its first record: {:.3f} s\n",
               log->bytes(LogName::events) >> 20, cold ? "pages dropped" : "pages cached ", opened - start,
               wall_seconds() - opened);
  }
}

int run(int argc, char** argv) {
  int events = 300'000;
  std::uint64_t open_mib = 1024, segment_mib = 64;
  std::string folder = (fs::temp_directory_path() / fmt::format("penstock-log-bench-{}", ::getpid())).string();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--events") events = std::atoi(argv[i + 1]);
    if (name == "--open-mib") open_mib = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--segment-mib") segment_mib = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--folder") folder = argv[i + 1];
  }
  // The child is made before this process has threads.
  open_run(folder, open_mib, Bytes{segment_mib << 20});
  for (int round = 0; round < 5; ++round) {
    for (const int partitions : {1, 16}) {
      for (const bool prebuilt : {false, true}) append_run(folder, events, partitions, prebuilt);
    }
  }
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace penstock

int main(int argc, char** argv) { return penstock::run(argc, argv); }
