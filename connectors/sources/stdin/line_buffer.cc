#include "connectors/sources/stdin/line_buffer.h"

#include <algorithm>

namespace penstock::sources::stdin {
namespace {

// A std::string below this size lives inside its object, and views into it would not survive a move of the records.
constexpr std::size_t kTextBytesMin = 64;

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

void LineBuffer::add(std::string_view bytes) {
  if (inside_long_) {
    const auto line_end = bytes.find('\n');
    if (line_end == std::string_view::npos) return;
    inside_long_ = false;
    bytes.remove_prefix(line_end + 1);
  }
  const auto last_end = bytes.rfind('\n');
  const std::size_t before = text_.size();
  text_ += bytes;
  if (last_end != std::string_view::npos) lines_end_ = before + last_end + 1;
  // One more byte than the limit may still be the "\r" of a line that fits.
  if (text_.size() - lines_end_ > line_bytes_max_ + 1) cut_long_line();
}

// Its beginning stands for all of it, one byte over the limit so that it is seen to be too long; the rest is skipped.
void LineBuffer::cut_long_line() {
  text_.resize(lines_end_ + line_bytes_max_ + 1);
  text_.back() = 'x';
  text_.push_back('\n');
  lines_end_ = text_.size();
  inside_long_ = true;
}

void LineBuffer::end() {
  if (text_.size() > lines_end_) text_.push_back('\n');
  lines_end_ = text_.size();
}

std::string_view LineBuffer::lines(std::size_t bytes_max) const {
  const auto whole = std::string_view(text_).substr(start_, lines_end_ - start_);
  if (whole.size() <= bytes_max) return whole;
  const auto fits = whole.substr(0, bytes_max).rfind('\n');
  return whole.substr(0, (fits != std::string_view::npos ? fits : whole.find('\n')) + 1);
}

void LineBuffer::drop(std::size_t bytes) {
  start_ += bytes;
  if (start_ < text_.size() / 2) return;
  text_.erase(0, start_);
  lines_end_ -= start_;
  start_ = 0;
}

PushedRecords records_of(std::string_view lines, std::uint64_t line_bytes_max) {
  PushedRecords records;
  records.text.reserve(std::max(lines.size(), kTextBytesMin));
  records.text = lines;
  std::string_view rest = records.text;
  while (!rest.empty()) {
    const auto line_end = std::min(rest.find('\n'), rest.size());
    auto line = rest.substr(0, line_end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > line_bytes_max) line = line.substr(0, kLongLineBytes);
    if (!is_blank(line)) records.bodies.push_back(line);
    rest.remove_prefix(std::min(line_end + 1, rest.size()));
  }
  return records;
}

}  // namespace penstock::sources::stdin
