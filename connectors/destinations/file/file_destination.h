#pragma once
// Appends events to a file, one per line; the batches that came meanwhile share one fdatasync.
//
// At open a torn end, left by a kill in the middle of a write, is cut off (whole_part.h). A full disk gives `unavailable`
// with code "enospc", and what was written of the batch is cut off again. When something else renames or removes the file
// (logrotate), the next group goes to a new one. Rotation never overwrites: `<path>.<time>[-<n>]`.
//
// atomic: the file is `<path>.part` while it is written. It gets its name when it is complete: at rotation, else at close;
// `<path>`, or a rotated name when rotation is on or `<path>` exists. After a kill the next run goes on with the `.part`.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "connectors/destinations/file/output_file.h"
#include "connectors/destinations/file/packer.h"
#include "pipeline/config/fields.h"
#include "pipeline/ports/blocking.h"
#include "pipeline/registry/registry.h"

namespace penstock::destinations::file {

enum class Format : std::uint8_t { body, envelope };

}  // namespace penstock::destinations::file

template <>
struct penstock::config::enum_names<penstock::destinations::file::Format> {
  using Format = penstock::destinations::file::Format;
  static constexpr std::array names{std::pair{"body", Format::body}, std::pair{"envelope", Format::envelope}};
};
template <>
struct penstock::config::enum_names<penstock::destinations::file::Compression> {
  using Compression = penstock::destinations::file::Compression;
  static constexpr std::array names{std::pair{"none", Compression::none}, std::pair{"gzip", Compression::gzip},
                                    std::pair{"zstd", Compression::zstd}};
};

namespace penstock::destinations::file {

// What Blocking<> runs on a thread of its own.
class FileSink {
 public:
  struct Rotate {
    std::optional<Bytes> bytes;
    std::optional<Duration> every;

    static constexpr auto fields() {
      using config::field;
      using config::range;
      return std::tuple{
          field("bytes", &Rotate::bytes, "Start a new file when this one has reached the size.",
                range(4_KiB, Bytes{1ULL << 50})),
          field("every", &Rotate::every, "Start a new file when this one is so old.",
                range(Duration{1000}, Duration{366LL * 86'400'000})),
      };
    }
  };
  struct Config {
    std::string path;
    Format format = Format::body;
    Compression compression = Compression::none;
    Rotate rotate;
    bool atomic = false;

    static constexpr auto fields() {
      using config::field;
      using config::Need;
      return std::tuple{
          field("path", &Config::path, "The file, relative to the folder of this configuration; folders are made.",
                Need::required),
          field("format", &Config::format,
                "The event's body as it is, or the envelope {\"uuid\": …, facts, \"data\": body}."),
          field("compression", &Config::compression, "One gzip member or zstd frame per batch."),
          field("rotate", &Config::rotate, "When to go on with a new file; this one becomes <path>.<time>."),
          field("atomic", &Config::atomic, "Write to <path>.part, and give the file its name when it is complete."),
      };
    }
    void check(config::StructReader& reader) const {
      if (path.empty()) reader.problem("path", "it is empty; it names a file");
    }
    std::vector<Claim> claims() const { return {{.field = "path", .file = path}}; }
  };
  static constexpr std::string_view kSummary =
      "Appends events to a file, one JSON object per line, synced before it counts as delivered.";
  static constexpr std::string_view kExample = "path: ./out/events.ndjson\nrotate: { bytes: 1GiB, every: 1d }\n";

  FileSink(Config config, const ConnectorContext& context);

  Result<void> open(std::stop_token stop);
  void write(std::span<const Batch> group, std::span<Outcomes> outcomes);
  void close();
  void tick();

 private:
  Result<void> open_file();
  Result<void> stay_in_place();
  Result<void> append(const Batch& batch);
  Result<void> sync();
  bool rotation_due() const;
  Result<void> rotate();
  Result<void> publish(bool at_close);
  Result<void> rename_rotated();

  const Config config_;
  const Clock& clock_;
  const std::string path_;          // where finished files go
  const std::string writing_path_;  // path_, or path_ + ".part"
  Packer packer_;
  std::string lines_;  // reused

  std::unique_ptr<OutputFile> file_;  // null when not open
  std::optional<Error> closed_for_;  // why a write closed it last
  std::uint64_t synced_size_ = 0;
  Timestamp started_at_;              // of the file's first line
};

using FileDestination = Blocking<FileSink>;

}  // namespace penstock::destinations::file
