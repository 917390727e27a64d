#include "connectors/logs/local/data_folder.h"

#include <fmt/format.h>

#include <charconv>

#include "pipeline/log/segment_format.h"

namespace penstock::logs::local {
namespace {

constexpr std::string_view kVersionKey = "penstock-data ";
constexpr std::string_view kPartitionsKey = "partitions ";
constexpr std::string_view kElsewhereKey = "kafka ";  // connectors/logs/kafka/data_folder.h

struct Format {
  int version = 0;
  int partitions = 0;
};

// Takes "<key><number>\n" off the front.
bool take_line(std::string_view& text, std::string_view key, int& number) {
  if (!text.starts_with(key)) return false;
  text.remove_prefix(key.size());
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stopped == text.data() + text.size() || *stopped != '\n') return false;
  text.remove_prefix(static_cast<std::size_t>(stopped - text.data()) + 1);
  return true;
}

std::unexpected<Error> unreadable(const std::string& path, std::string_view what) {
  return fail(ErrorKind::corrupt,
              fmt::format("{} {}, so it is not certain what this folder holds; restore the file from a copy (a folder made "
                          "by default has the two lines \"{}{}\" and \"{}{}\"), or name another folder in `data:`",
                          path, what, kVersionKey, kDataVersion, kPartitionsKey, kPartitionsDefault));
}

Result<Format> parse_format(const std::string& path, std::string_view text) {
  if (text.empty()) return unreadable(path, "is empty");
  Format format;
  if (!take_line(text, kVersionKey, format.version)) return unreadable(path, "is unreadable");
  if (format.version > kDataVersion) {
    return fail(ErrorKind::conflict,
                fmt::format("{} says version {}, but this program knows version {}: use the newer program", path,
                            format.version, kDataVersion));
  }
  if (format.version < kDataVersion) {
    return fail(ErrorKind::invalid,
                fmt::format("{} says version {}, which this program (version {}) cannot upgrade; finish it with the program "
                            "that made it, or name another folder in `data:`",
                            path, format.version, kDataVersion));
  }
  if (text.starts_with(kElsewhereKey)) {
    return fail(
        ErrorKind::conflict,
        fmt::format("the logs of this folder are on Kafka, as {} says; what is in them is for Kafka's own tools to show",
                    path));
  }
  if (!take_line(text, kPartitionsKey, format.partitions) || format.partitions < 1 ||
      format.partitions > log_format::kPartitionsMax) {
    return unreadable(path, "names no number of partitions");
  }
  return format;
}

Result<int> read_format(Disk& disk, const std::string& path, std::optional<int> wanted) {
  TRY_ASSIGN(const std::string text, disk.read_all(path));
  TRY_ASSIGN(const Format format, parse_format(path, text));
  if (wanted && *wanted != format.partitions) {
    return fail(ErrorKind::invalid,
                fmt::format("{} says {} partitions, and the number cannot change where there is data; set {} or name "
                            "another folder in `data:`",
                            path, format.partitions, format.partitions));
  }
  return format.partitions;
}

Result<int> make_format(Disk& disk, const std::string& folder, const std::string& path, std::optional<int> wanted) {
  for (const char* made_by_us : {"log", "state", "delivery"}) {
    TRY_ASSIGN(const bool used, disk.exists(folder + "/" + made_by_us));
    if (used) return unreadable(path, "is missing");
  }
  const int partitions = wanted.value_or(kPartitionsDefault);
  if (partitions < 1 || partitions > log_format::kPartitionsMax) {
    return fail(ErrorKind::invalid,
                fmt::format("{} partitions; possible are 1 to {}", partitions, log_format::kPartitionsMax));
  }
  TRY(disk.write_atomically(path, fmt::format("{}{}\n{}{}\n", kVersionKey, kDataVersion, kPartitionsKey, partitions)));
  return partitions;
}

}  // namespace

Result<DataFolder> open_data_folder(Disk& disk, const std::string& folder, std::optional<int> partitions) {
  TRY(disk.create_directories(folder));
  DataFolder opened;
  auto lock = disk.lock(folder + "/LOCK");
  if (!lock && lock.error().kind == ErrorKind::conflict) {
    return fail(
        std::move(lock).error().context(fmt::format("the data folder {} is in use; stop the other process first", folder)));
  }
  if (!lock) return fail(std::move(lock).error());
  opened.lock = *std::move(lock);
  const std::string path = folder + "/FORMAT";
  TRY_ASSIGN(const bool made, disk.exists(path));
  TRY_ASSIGN(opened.partitions, made ? read_format(disk, path, partitions) : make_format(disk, folder, path, partitions));
  // Whoever made it may have been stopped before its name was durable, and without it nothing here can be opened.
  if (made) TRY(disk.sync_directory(folder));
  return opened;
}

}  // namespace penstock::logs::local
