#include "connectors/logs/kafka/facts_header.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/codec.h"

namespace penstock::logs::kafka {
namespace {
constexpr std::uint8_t kKeyIsDistinctId = 1;
constexpr std::uint8_t kOtherKey = 2;
}  // namespace

void encode_facts(const Facts& facts, std::string_view key, std::string& out) {
  const bool other_key = key != facts.distinct_id;
  Writer to(out);
  to.fixed(other_key ? kOtherKey : kKeyIsDistinctId);
  to.bytes({reinterpret_cast<const char*>(facts.uuid.bytes.data()), facts.uuid.bytes.size()});
  to.text(facts.event);
  to.text(facts.project);
  to.text(facts.source);
  to.signed_varint(facts.received_at.ms);
  to.signed_varint(static_cast<std::int64_t>(static_cast<std::uint64_t>(facts.timestamp.ms) -
                                             static_cast<std::uint64_t>(facts.received_at.ms)));
  if (other_key) to.text(facts.distinct_id);
  to.bytes(facts.person_id);
}

Result<Facts> decode_facts(std::string_view header, std::string_view key) {
  Reader in(header);
  Facts facts;
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kKeyIsDistinctId && version != kOtherKey) {
    return fail(
        version > kOtherKey ? ErrorKind::conflict : ErrorKind::corrupt,
        fmt::format("its header `{}` is of version {}, and this program knows {}", kFactsHeader, version, kOtherKey));
  }
  TRY_ASSIGN(const auto uuid, in.bytes(facts.uuid.bytes.size()));
  std::ranges::copy(uuid, facts.uuid.bytes.begin());
  TRY_ASSIGN(facts.event, in.text());
  TRY_ASSIGN(facts.project, in.text());
  TRY_ASSIGN(facts.source, in.text());
  TRY_ASSIGN(facts.received_at.ms, in.signed_varint());
  TRY_ASSIGN(const std::int64_t from_received, in.signed_varint());
  facts.timestamp.ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(facts.received_at.ms) +
                                                 static_cast<std::uint64_t>(from_received));
  facts.distinct_id = key;
  if (version == kOtherKey) {
    TRY_ASSIGN(facts.distinct_id, in.text());
  }
  TRY_ASSIGN(facts.person_id, in.bytes(in.remaining()));
  return facts;
}

}  // namespace penstock::logs::kafka
