#include "pipeline/ports/source.h"

namespace penstock {

void RawBatch::clear() {
  partition.clear();
  label.clear();
  origin.clear();
  records.clear();
  attachments.clear();
  position.clear();
  buffer.clear();
  keeps.clear();
  warnings.clear();
}

}  // namespace penstock
