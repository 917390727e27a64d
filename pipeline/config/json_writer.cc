#include "pipeline/config/json_writer.h"

#include <utility>

#include "pipeline/base/json_string.h"

namespace penstock::config {

void JsonWriter::value_starts() {
  if (std::exchange(after_key_, false)) return;
  if (depth_ > 0) {
    if (!first_) out_.push_back(',');
    out_.push_back('\n');
    out_.append(depth_ * 2, ' ');
  }
  first_ = false;
}

void JsonWriter::append_quoted(std::string_view value) { append_json_string(out_, value); }

void JsonWriter::begin(char bracket) {
  value_starts();
  out_.push_back(bracket);
  ++depth_;
  first_ = true;
}

void JsonWriter::end(char bracket) {
  --depth_;
  if (!first_) {
    out_.push_back('\n');
    out_.append(depth_ * 2, ' ');
  }
  out_.push_back(bracket);
  first_ = false;
}

void JsonWriter::key(std::string_view name) {
  value_starts();
  append_quoted(name);
  out_ += ": ";
  after_key_ = true;
}

void JsonWriter::text(std::string_view value) {
  value_starts();
  append_quoted(value);
}

void JsonWriter::texts(const std::vector<std::string_view>& values) {
  value_starts();
  std::string_view separator;
  out_.push_back('[');
  for (const std::string_view value : values) {
    out_ += std::exchange(separator, ", ");
    append_quoted(value);
  }
  out_.push_back(']');
}

void JsonWriter::raw(std::string_view json) {
  value_starts();
  out_ += json;
}

std::string JsonWriter::take() && {
  out_.push_back('\n');
  return std::move(out_);
}

}  // namespace penstock::config
