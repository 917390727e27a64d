#include "connectors/logs/kafka/source_prints.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/codec.h"

namespace penstock::logs::kafka {
namespace {

constexpr std::uint8_t kVersion = 1;

const SourcePrint* find(const SourcePrints& among, const std::string& name) {
  const auto found = std::ranges::find(among, name, &SourcePrint::name);
  return found == among.end() ? nullptr : &*found;
}

Result<SourcePrints> decode(Reader in) {
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) return fail(ErrorKind::conflict, "of another version");
  TRY_ASSIGN(auto left, in.varint());
  SourcePrints sources;
  for (; left > 0; --left) {
    SourcePrint source;
    TRY_ASSIGN(source.name, in.text());
    TRY_ASSIGN(source.print, in.fixed<std::uint32_t>());
    sources.push_back(std::move(source));
  }
  return sources;
}

}  // namespace

std::string encode(const SourcePrints& sources) {
  std::string stored;
  Writer to(stored);
  to.fixed(kVersion);
  to.varint(sources.size());
  for (const auto& [name, print] : sources) {
    to.text(name);
    to.fixed(print);
  }
  return stored;
}

std::optional<SourcePrints> read_source_prints(std::string_view stored) {
  auto sources = decode(Reader(stored));
  return sources ? std::optional(*std::move(sources)) : std::nullopt;
}

std::string difference(const SourcePrints& here, const SourcePrints& there, const Uuid& process) {
  const std::string who = fmt::format("the process {} (its DATA/INSTANCE)", process.to_string());
  constexpr std::string_view kMend = "give all processes that share the log the same `sources`";
  for (const auto& [name, print] : here) {
    const auto* other = find(there, name);
    if (other == nullptr) return fmt::format("source {} is here, but not in the configuration of {}: {}", name, who, kMend);
    if (other->print != print)
      return fmt::format("source {} has another `type`, `project` or `map` in the configuration of {}: {}", name, who,
                         kMend);
  }
  for (const auto& [name, print] : there)
    if (find(here, name) == nullptr)
      return fmt::format("source {} is in the configuration of {}, but not here: {}", name, who, kMend);
  return {};
}

}  // namespace penstock::logs::kafka
