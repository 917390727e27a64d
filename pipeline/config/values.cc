#include "pipeline/config/values.h"

namespace penstock::config {

std::string_view Url::host() const {
  std::string_view rest = text_;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos) rest.remove_prefix(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const auto user = rest.rfind('@'); user != std::string_view::npos) rest.remove_prefix(user + 1);
  return rest;
}

}  // namespace penstock::config
