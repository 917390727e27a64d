#include "pipeline/event/facts.h"

#include <array>
#include <cstring>
#include <string>

#include "pipeline/base/check.h"
#include "pipeline/event/murmur2.h"

namespace penstock {
namespace {

int positive_modulo(std::uint32_t hash, int count) {
  return static_cast<int>((hash & 0x7FFFFFFFU) % static_cast<std::uint32_t>(count));
}

std::uint32_t key_hash(std::string_view project, std::string_view distinct_id) {
  const std::size_t size = project.size() + 1 + distinct_id.size();
  std::array<char, 512> small;
  std::string large;
  char* key = small.data();
  if (size > small.size()) {
    large.resize(size);
    key = large.data();
  }
  project.copy(key, project.size());
  key[project.size()] = '\0';
  distinct_id.copy(key + project.size() + 1, distinct_id.size());
  return murmur2({key, size});
}

}  // namespace

int partition_of(const Facts& facts, int count) {
  CHECK(count > 0);
  if (!facts.distinct_id.empty()) return positive_modulo(key_hash(facts.project, facts.distinct_id), count);
  const auto& bytes = facts.uuid.bytes;
  return positive_modulo(murmur2({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), count);
}

}  // namespace penstock
