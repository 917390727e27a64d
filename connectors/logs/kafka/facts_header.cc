#include "connectors/logs/kafka/facts_header.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/codec.h"

namespace penstock::logs::kafka {
namespace {
constexpr std::uint8_t kVersion = 1;
}

void encode_facts(const Facts& facts, std::string& out) {
  Writer to(out);
  to.fixed(kVersion);
  to.bytes({reinterpret_cast<const char*>(facts.uuid.bytes.data()), facts.uuid.bytes.size()});
  to.text(facts.event);
  to.text(facts.project);
  to.text(facts.source);
  to.signed_varint(facts.received_at.ms);
  to.signed_varint(static_cast<std::int64_t>(static_cast<std::uint64_t>(facts.timestamp.ms) -
                                             static_cast<std::uint64_t>(facts.received_at.ms)));
  to.bytes(facts.person_id);
}

Result<Facts> decode_facts(std::string_view header, std::string_view distinct_id) {
  Reader in(header);
  Facts facts;
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) {
    return fail(version > kVersion ? ErrorKind::conflict : ErrorKind::corrupt,
                fmt::format("its header `{}` is of version {}, and this program knows {}", kFactsHeader, version, kVersion));
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
  TRY_ASSIGN(facts.person_id, in.bytes(in.remaining()));
  facts.distinct_id = distinct_id;
  return facts;
}

}  // namespace penstock::logs::kafka
