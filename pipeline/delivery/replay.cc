#include "pipeline/delivery/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/codec.h"
#include "pipeline/delivery/destination_status.h"

namespace penstock::delivery {
namespace {

constexpr std::uint8_t kVersion = 1;

void write_offsets(Writer& writer, const Offsets& offsets) {
  writer.varint(offsets.size());
  for (const auto offset : offsets) writer.varint(offset);
}

Result<Offsets> read_offsets(Reader& in) {
  TRY_ASSIGN(const std::uint64_t count, in.varint());
  if (count > in.remaining()) return fail(ErrorKind::corrupt, "more offsets than bytes");
  Offsets offsets;
  for (std::uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const std::uint64_t offset, in.varint());
    offsets.push_back(offset);
  }
  return offsets;
}

}  // namespace

std::uint64_t ReplayOrder::left() const { return events_between(next, to); }

Offsets ReplayOrder::needs(Offsets cursor) const {
  for (std::size_t p = 0; p < cursor.size() && p < next.size(); ++p)
    if (next[p] < to[p]) cursor[p] = std::min(cursor[p], next[p]);
  return cursor;
}

std::string encode(const ReplayOrder& order) {
  std::string stored;
  Writer writer(stored);
  writer.fixed(kVersion);
  write_offsets(writer, order.next);
  write_offsets(writer, order.to);
  writer.text(order.where);
  writer.varint(static_cast<std::uint64_t>(order.rate));
  writer.varint(order.total);
  return stored;
}

Result<ReplayOrder> decode_replay(std::string_view stored) {
  Reader in(stored);
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) {
    return fail(ErrorKind::corrupt, fmt::format("version {}, but this program knows only version {}", version, kVersion));
  }
  ReplayOrder order;
  TRY_ASSIGN(order.next, read_offsets(in));
  TRY_ASSIGN(order.to, read_offsets(in));
  TRY_ASSIGN(const std::string_view where, in.text());
  order.where = where;
  TRY_ASSIGN(const std::uint64_t rate, in.varint());
  order.rate = static_cast<int>(rate);
  TRY_ASSIGN(order.total, in.varint());
  if (!in.at_end() || order.next.size() != order.to.size()) return fail(ErrorKind::corrupt, "it does not fit together");
  return order;
}

bool Replay::ends_before(const Offsets& position) const { return events_between(position, order.to) == 0; }

}  // namespace penstock::delivery
