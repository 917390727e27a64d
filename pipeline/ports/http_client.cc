#include "pipeline/ports/http_client.h"

namespace penstock {

const std::string* HttpReply::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace penstock
