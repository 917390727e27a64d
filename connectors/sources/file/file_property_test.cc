#include <doctest/doctest.h>

#include <random>

#include "connectors/sources/file/file_rig.h"

namespace penstock::sources::file {
namespace {

constexpr int kLongAgo = 100'000;  // seconds
const unsigned kSeeds = std::getenv("PENSTOCK_TEST_LONG") != nullptr ? 5000 : 150;

// A writer of a followed file that remembers which lines must be read: all that it finished, except those it truncated
// away unread.
class Writer {
 public:
  Writer(const TemporaryFolder& folder, std::mt19937& random) : folder_(folder), random_(random) { put("", true); }

  void append() {
    std::string text;
    for (int i = below(8); i >= 0; --i) {
      const auto line = std::exchange(partial_, "") + std::to_string(written_.size()) + " " +
                        std::string(static_cast<std::size_t>(below(400)), 'x');
      text += line + (below(4) == 0 ? "\r\n" : "\n");
      written_.push_back(line);
      if (below(5) == 0) text += "\n";
    }
    put(text.substr(already_));
    already_ = 0;
    content_ = true;
    if (below(3) == 0) begin_line();
  }
  void rotate() {
    finish_line();
    folder_.rename("in", "in." + std::to_string(++rotations_));
    put("", true);
    content_ = false;
  }
  // What was not read by now is lost, and that is all that may be.
  void truncate(std::size_t read) {
    written_.resize(read);
    partial_.clear();
    already_ = 0;
    put("", true);
    content_ = false;
  }
  void finish_line() {
    if (already_ > 0) append();
    if (already_ > 0) {
      put("\n");
      written_.push_back(partial_);
      partial_.clear();
      already_ = 0;
    }
  }
  const Lines& written() const { return written_; }
  int rotations() const { return rotations_; }
  bool has_content() const { return content_; }
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

 private:
  // A second later than what was written before: several files may come and go within one tick of the file system's clock.
  void put(std::string_view text, bool anew = false) {
    if (anew) folder_.write("in", text);
    else folder_.append("in", text);
    folder_.age("in", kLongAgo - ++puts_);
  }
  void begin_line() {
    partial_ = "half-" + std::to_string(written_.size()) + "-";
    put(partial_);
    already_ = partial_.size();
  }

  const TemporaryFolder& folder_;
  std::mt19937& random_;
  Lines written_;
  std::string partial_;  // of a line whose rest has not been written
  std::size_t already_ = 0;  // bytes of partial_ that are in the file
  bool content_ = false;
  int rotations_ = 0;
  int puts_ = 0;
};

void follow_anything(unsigned seed, std::size_t open_files_max) {
  CAPTURE(seed);
  CAPTURE(open_files_max);
  std::mt19937 random(seed);
  TemporaryFolder folder;
  Writer writer(folder, random);
  Run run(folder, "in", true);
  run.set_open_files_max(open_files_max);
  run.drain();  // what is renamed before anyone has looked at all is none of ours
  bool settled = false;  // everything that was there has been read
  for (int step = 0; step < 120; ++step) {
    const int what = writer.below(20);
    if (what < 8) {
      writer.append();
      settled = false;
    } else if (what < 14) {
      settled = run.poll(static_cast<std::size_t>(1 + writer.below(3000))) == PollState::idle;
    } else if (what < 16) {
      run.restart();
      settled = false;
    } else if (what < 18) {
      if (writer.below(2) == 0) writer.append();
      writer.rotate();
      if (writer.below(2) == 0) run.restart();
      settled = false;
    } else if (what == 18 && settled && writer.has_content() && run.lines().size() == writer.written().size()) {
      const auto before = std::filesystem::file_size(folder / "in");
      writer.truncate(run.lines().size());
      const bool regrows = writer.below(2) == 0;  // before anyone looks
      while (regrows && std::filesystem::file_size(folder / "in") <= before) writer.append();
      settled = false;
    } else if (what == 19) {
      run.clock().advance(Duration{writer.below(15'000)});
    }
  }
  writer.finish_line();
  // Where no more can be open, each rotated file has its place until its writer has been silent for long enough.
  for (int rest = 0; rest < 3 * (writer.rotations() + 1); ++rest) {
    run.drain();
    run.clock().advance(Duration{11'000});
  }
  const auto [read, written] = std::ranges::mismatch(run.lines(), writer.written());
  CAPTURE(read - run.lines().begin());
  CAPTURE((read == run.lines().end() ? "" : *read));
  CAPTURE((written == writer.written().end() ? "" : *written));
  REQUIRE(run.lines() == writer.written());
}

// Files of every packing with awkward lines, and what must be read from them.
Lines fill(const TemporaryFolder& folder, std::mt19937& random, std::size_t line_max) {
  const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  Lines expected;
  for (int file = 0; file < 4; ++file) {
    std::string text;
    std::string packed;
    const int packing = below(3);
    for (int i = below(30); i >= 0; --i) {
      const std::string line(static_cast<std::size_t>(below(below(4) == 0 ? 3000 : 60)), static_cast<char>('a' + below(26)));
      if (!line.empty() && line.size() <= line_max) expected.push_back(line);
      text += line;
      if (i > 0 || below(2) == 0) text += below(3) == 0 ? "\r\n" : "\n";
      if (packing != 0 && below(5) == 0)
        packed += packing == 1 ? gzipped(std::exchange(text, "")) : zstd_packed(std::exchange(text, ""));
    }
    if (packing == 0) packed = text;
    if (packing == 1) packed += gzipped(text);
    if (packing == 2) packed += zstd_packed(text);
    folder.write("in." + std::to_string(file), packed);
  }
  return expected;
}

void read_anything_whole(unsigned seed) {
  CAPTURE(seed);
  std::mt19937 random(seed);
  TemporaryFolder folder;
  constexpr std::size_t kLineMax = 1500;
  const auto expected = fill(folder, random, kLineMax);
  Run run(folder, "in.*");
  run.config().line_max = Bytes{kLineMax};
  while (run.poll(1 + random() % 2000) != PollState::finished) {
    if (random() % 3 == 0) run.restart();
  }
  REQUIRE(run.lines() == expected);
  CHECK(run.warnings().empty());
}

}  // namespace

TEST_CASE("a followed file gives every line once through any appends, rotations, truncations and restarts") {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) follow_anything(seed, FileSource::kOpenFilesMax);
}

TEST_CASE("a followed file gives every line once where few files can be open") {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) follow_anything(seed, 2 + seed % 3);
}

TEST_CASE("whole files of any packing give every line once through any restarts") {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) read_anything_whole(seed);
}

}  // namespace penstock::sources::file
