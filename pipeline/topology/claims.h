#pragma once
// What only one entry of a configuration may have: a file that is written, an address that is listened at. Found while the file is
// checked, for at the start the second would fail, and two that append to one file would mix their lines.

#include <string>
#include <vector>

#include "pipeline/config/node.h"
#include "pipeline/config/values.h"
#include "pipeline/registry/registry.h"

namespace penstock::topology {

class Claims {
 public:
  // `folder`: where relative paths start; `data`: the data folder.
  Claims(std::string folder, std::string data) : folder_(std::move(folder)), data_(std::move(data)) {}

  // Of the entry `element` at `path`, such as "sources[0] (web)". Problems name both places.
  void take(const std::vector<Claim>& claims, const config::Node& element, const std::string& path,
            config::Problems& problems);

 private:
  struct Taken {
    Claim claim;
    std::string resolved;  // of files
    config::Location at;
    std::string path;  // of the entry
  };
  void check_data_folder(const Taken& wanted, const std::string& field, config::Problems& problems) const;

  const std::string folder_;
  const std::string data_;
  std::vector<Taken> taken_;
};

}  // namespace penstock::topology
