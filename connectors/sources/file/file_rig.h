#pragma once
// For the tests of this folder: real files in a folder of their own, and a source on them whose commits are remembered.

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "connectors/sources/file/file_source.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::sources::file {

using Lines = std::vector<std::string>;

struct NoHttp final : HttpClient {
  void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)> done) override {
    done(fail(ErrorKind::unavailable, "no network in this test"));
  }
};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-file-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  void write(const std::string& name, std::string_view bytes) const { put(name, bytes, std::ios::trunc); }
  void append(const std::string& name, std::string_view bytes) const { put(name, bytes, std::ios::app); }
  void rename(const std::string& from, const std::string& to) const { std::filesystem::rename(*this / from, *this / to); }
  // Written so long ago.
  void age(const std::string& name, int seconds) const {
    std::filesystem::last_write_time(*this / name,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }
  void remove(const std::string& name) const { REQUIRE(std::filesystem::remove(*this / name)); }

 private:
  void put(const std::string& name, std::string_view bytes, std::ios::openmode how) const {
    std::ofstream file(*this / name, std::ios::binary | how);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    REQUIRE(file.flush());
  }
  std::string path_;
};

// A source, and the log that would commit what it reads. `restart` is a new process on the same log.
class Run {
 public:
  Run(const TemporaryFolder& folder, std::string path, bool follow = false) : folder_(folder) {
    config_.path = std::move(path);
    config_.follow = follow;
  }

  FileSource::Config& config() { return config_; }
  void set_open_files_max(std::size_t max) { open_files_max_ = max; }
  fakes::ManualClock& clock() { return clock_; }
  const std::vector<SourcePosition>& positions() const { return positions_; }
  const Lines& lines() const { return lines_; }
  const std::vector<RawRecord>& last_records() const { return batch_.records; }
  const std::string& last_partition() const { return batch_.partition; }
  const Lines& refused() const { return refused_; }
  const Lines& warnings() const { return warnings_; }
  std::size_t losses() const { return losses_; }

  std::unique_ptr<FileSource> make() {
    return std::make_unique<FileSource>(config_, ConnectorContext{"orders", folder_.path(), clock_, http_}, open_files_max_);
  }
  Result<void> open() {
    source_ = make();
    return source_->open(positions_);
  }
  void restart() {
    const auto opened = open();
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  }
  FileSource& source() { return *source_; }
  // As when the log refused a commit: the same process, further back.
  void go_back_to(std::vector<SourcePosition> positions) {
    positions_ = std::move(positions);
    source_->close();
    REQUIRE(source_->open(positions_).has_value());
  }
  void restart_from(std::vector<SourcePosition> positions) {
    positions_ = std::move(positions);
    restart();
  }

  PollState poll(std::size_t bytes_max = 1 << 20) {
    if (!source_) restart();
    const auto state = source_->poll(batch_, bytes_max);
    REQUIRE_MESSAGE(state.has_value(), (state ? "" : state.error().message));
    for (const auto& record : batch_.records) {
      (record.refused.empty() ? lines_ : refused_).emplace_back(record.body);
    }
    for (const auto& warning : batch_.warnings) {
      warnings_.push_back(warning.text);
      losses_ += warning.loss ? 1 : 0;
    }
    if (!batch_.position.empty()) commit();
    return *state;
  }
  // Polls until there is nothing more for now, and gives what came since the last time.
  Lines drain(std::size_t bytes_max = 1 << 20) {
    const auto before = static_cast<std::ptrdiff_t>(lines_.size());
    while (poll(bytes_max) == PollState::more) {}
    return {lines_.begin() + before, lines_.end()};
  }
  bool warned_of(std::string_view text) const {
    return std::ranges::any_of(warnings_, [&](const auto& warning) { return warning.find(text) != std::string::npos; });
  }

 private:
  void commit() {
    const auto at = std::ranges::find(positions_, batch_.partition, &SourcePosition::partition);
    if (at != positions_.end()) {
      at->position = batch_.position;
    } else {
      positions_.push_back({"orders", batch_.partition, batch_.position});
    }
  }

  const TemporaryFolder& folder_;
  FileSource::Config config_;
  std::size_t open_files_max_ = FileSource::kOpenFilesMax;
  fakes::ManualClock clock_;
  NoHttp http_;
  std::unique_ptr<FileSource> source_;
  RawBatch batch_;
  std::vector<SourcePosition> positions_;
  Lines lines_;
  Lines refused_;
  Lines warnings_;
  std::size_t losses_ = 0;
};

inline std::string joined(const Lines& lines) {
  std::string text;
  for (const auto& line : lines) text += line + '\n';
  return text;
}

inline std::string gzipped(std::string_view text) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  return packed;
}

inline std::string zstd_packed(std::string_view text) {
  std::string packed(::ZSTD_compressBound(text.size()), '\0');
  const auto size = ::ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3);
  REQUIRE(::ZSTD_isError(size) == 0);
  packed.resize(size);
  return packed;
}

}  // namespace penstock::sources::file
