#include "pipeline/topology/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace penstock::topology {
namespace {

namespace fs = std::filesystem;

// What a data folder consists of; other names in it are nobody's.
constexpr std::array kDataFiles{"FORMAT",      "LOCK",     "log",        "state",          "state.new",      "state.old",
                                "checkpoints", "delivery", "catalog.db", "catalog.db-wal", "catalog.db-shm", "control.json"};

bool every_address(const std::string& host) { return host == "0.0.0.0" || host == "::" || host == "[::]" || host.empty(); }

bool collide(const config::ListenAddress& a, const config::ListenAddress& b) {
  return a.port != 0 && a.port == b.port && (a.host == b.host || every_address(a.host) || every_address(b.host));
}

bool collide(const Claim& a, const std::string& file_a, const Claim& b, const std::string& file_b) {
  if (a.address && b.address) return collide(*a.address, *b.address);
  return !a.address && !b.address && file_a == file_b;
}

}  // namespace

void Claims::take(const std::vector<Claim>& claims, const config::Node& element, const std::string& path,
                  config::Problems& problems) {
  for (const Claim& claim : claims) {
    const auto* value = element.find(claim.field);
    Taken wanted{claim, {}, value == nullptr ? element.at : value->at, path};
    // Links are followed as far as there is something: two names of one folder are one.
    std::error_code ignored;
    if (!claim.address)
      wanted.resolved = fs::weakly_canonical(fs::absolute(fs::path(folder_) / claim.file, ignored), ignored).string();
    const std::string field = fmt::format("{}.{}", path, claim.field);
    for (const Taken& other : taken_) {
      if (!collide(claim, wanted.resolved, other.claim, other.resolved)) continue;
      problems.push_back({wanted.at, field,
                          fmt::format("{} at {} {} too: give one of them another", other.path, other.at.to_string(),
                                      claim.address ? "listens at this address and port" : "writes this file")});
      break;
    }
    if (!claim.address) check_data_folder(wanted, field, problems);
    taken_.push_back(std::move(wanted));
  }
}

void Claims::check_data_folder(const Taken& wanted, const std::string& field, config::Problems& problems) const {
  std::error_code ignored;
  const fs::path data = fs::weakly_canonical(fs::absolute(data_, ignored), ignored);
  const fs::path inner = fs::path(wanted.resolved).lexically_relative(data);
  if (inner.empty() || std::ranges::find(kDataFiles, inner.begin()->string()) == kDataFiles.end()) return;
  problems.push_back(
      {wanted.at, field, "this is where the data folder keeps its own files: name one that is not among them"});
}

}  // namespace penstock::topology
