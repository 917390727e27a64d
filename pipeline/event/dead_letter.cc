#include "pipeline/event/dead_letter.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "pipeline/base/checksum.h"

namespace penstock {
namespace {

constexpr std::uint8_t kVersion = 3;  // 1 had no project and no timestamp, 2 no offset

Result<void> read_text(Reader& in, std::string& field) {
  TRY_ASSIGN(const std::string_view text, in.text());
  field = text;
  return {};
}

Result<void> read_time(Reader& in, Timestamp& field) {
  TRY_ASSIGN(field.ms, in.signed_varint());
  return {};
}

Result<void> read_fields(Reader& in, std::uint8_t version, DeadLetter& letter) {
  TRY_ASSIGN(const std::string_view uuid, in.bytes(letter.uuid.bytes.size()));
  std::memcpy(letter.uuid.bytes.data(), uuid.data(), uuid.size());
  for (auto* field : {&letter.stage, &letter.app, &letter.code, &letter.reason, &letter.source, &letter.place, &letter.event,
                      &letter.distinct_id}) {
    TRY(read_text(in, *field));
  }
  TRY_ASSIGN(letter.partition, in.fixed<std::int32_t>());
  TRY_ASSIGN(letter.attempts, in.fixed<std::uint32_t>());
  for (auto* field : {&letter.received_at, &letter.first_at, &letter.last_at}) TRY(read_time(in, *field));
  if (version >= 2) {
    TRY(read_text(in, letter.project));
    TRY(read_time(in, letter.timestamp));
  }
  if (version >= 3) {
    TRY_ASSIGN(letter.offset, in.varint());
  }
  return read_text(in, letter.body);
}

}  // namespace

void encode(const DeadLetter& letter, std::string& out) {
  Writer writer(out);
  writer.fixed(kVersion);
  writer.bytes({reinterpret_cast<const char*>(letter.uuid.bytes.data()), letter.uuid.bytes.size()});
  for (const auto* field : {&letter.stage, &letter.app, &letter.code, &letter.reason, &letter.source, &letter.place,
                            &letter.event, &letter.distinct_id}) {
    writer.text(*field);
  }
  writer.fixed(letter.partition);
  writer.fixed(letter.attempts);
  for (const auto time : {letter.received_at, letter.first_at, letter.last_at}) writer.signed_varint(time.ms);
  writer.text(letter.project);
  writer.signed_varint(letter.timestamp.ms);
  writer.varint(letter.offset);
  writer.text(letter.body);
}

Result<DeadLetter> decode_dead_letter(std::string_view stored) {
  Reader in(stored);
  const auto version = in.fixed<std::uint8_t>();
  if (!version) return fail(version.error().context("dead letter"));
  if (*version == 0 || *version > kVersion) {
    return fail(ErrorKind::corrupt,
                fmt::format("dead letter: version {} is not the version {} that this program reads{}", *version, kVersion,
                            *version > kVersion ? "; a newer program wrote it" : ""));
  }
  DeadLetter letter;
  if (auto read = read_fields(in, *version, letter); !read) return fail(std::move(read).error().context("dead letter"));
  if (!in.at_end()) return fail(ErrorKind::corrupt, "dead letter: bytes after its end");
  return letter;
}

std::string dead_letter_id(const DeadLetter& letter) {
  // Thirteen digits keep the order of text and time the same until the year 2286.
  const auto ms = std::max<std::int64_t>(letter.received_at.ms, 0);
  const bool placed = !letter.place.empty();
  const auto origin = fmt::format("{}\n{}\n{}", letter.stage, placed ? "" : letter.app, letter.place);
  return fmt::format("{:013}-{}-{:08x}", ms, letter.uuid.to_string(), static_cast<std::uint32_t>(checksum(origin)));
}

}  // namespace penstock
