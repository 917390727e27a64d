#include "pipeline/event/attachment.h"

#include "pipeline/base/check.h"
#include "pipeline/base/codec.h"

namespace penstock {

// The size of a value is one more than it is, so that there is one for none.
void append_header(std::string& headers, const AttachedHeader& header) {
  Writer to(headers);
  to.text(header.name);
  to.varint(header.value ? header.value->size() + 1 : 0);
  if (header.value) to.bytes(*header.value);
}

void read_headers(std::string_view headers, std::vector<AttachedHeader>& out) {
  for (Reader from(headers); !from.at_end();) {
    auto& header = out.emplace_back();
    const auto name = from.text();
    const auto size = from.varint();
    CHECK(name.has_value() && size.has_value());  // they never leave this process
    header.name = *name;
    if (*size == 0) continue;
    const auto value = from.bytes(*size - 1);
    CHECK(value.has_value());
    header.value = *value;
  }
}

void Attachments::add(std::size_t event, const Attachment& attachment) {
  CHECK(event >= rows_.size());
  rows_.resize(event);
  const auto key = attachment.key.value_or(std::string_view());
  rows_.push_back({attachment.time, texts_.size(), static_cast<std::uint32_t>(key.size()),
                   static_cast<std::uint32_t>(attachment.headers.size()), attachment.key.has_value()});
  texts_.append(key).append(attachment.headers);
}

Attachment Attachments::of(std::size_t event) const {
  if (event >= rows_.size()) return {};
  const Row& row = rows_[event];
  const auto text = std::string_view(texts_).substr(row.at, row.key_size + row.headers_size);
  Attachment made{.key = std::nullopt, .time = row.time, .headers = text.substr(row.key_size)};
  if (row.has_key) made.key = text.substr(0, row.key_size);
  return made;
}

}  // namespace penstock
