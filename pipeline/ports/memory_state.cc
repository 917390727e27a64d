#include "pipeline/ports/memory_state.h"

namespace penstock {

void MemoryState::apply(const StateChange& change) {
  auto& rows = tables_[change.table];
  if (change.removed) rows.erase(change.key);
  else rows.insert_or_assign(change.key, StateValue{change.value, change.expires_at});
}

Result<std::optional<StateValue>> MemoryState::get(std::string_view table, std::string_view key, Timestamp now) {
  const auto rows = tables_.find(table);
  if (rows == tables_.end()) return std::nullopt;
  const auto row = rows->second.find(key);
  if (row == rows->second.end() || row->second.expired(now)) return std::nullopt;
  return row->second;
}

}  // namespace penstock
