#include "pipeline/ports/log.h"

namespace penstock {
std::string_view to_string(LogName name) { return name == LogName::captured ? "captured" : "events"; }
}  // namespace penstock
