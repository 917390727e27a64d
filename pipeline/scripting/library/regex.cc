#include "pipeline/scripting/library/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

namespace penstock::scripting {

struct Regex::Program {
  Program(const std::string& pattern, const RE2::Options& options) : re(pattern, options) {}
  RE2 re;
};

Result<std::unique_ptr<Regex>> Regex::compile(std::string_view pattern, std::string_view flags) {
  if (pattern.size() > kPatternBytesMax)
    return fail(ErrorKind::limit, fmt::format("a pattern of {} bytes; the limit is {}", pattern.size(), kPatternBytesMax));
  if (const auto wrong = flags.find_first_not_of("imsU"); wrong != std::string_view::npos)
    return fail(ErrorKind::invalid, fmt::format("unknown flag '{}'; there are i, m, s and U", flags.substr(wrong, 1)));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemoryMax);
  const std::string prefix = flags.empty() ? "" : fmt::format("(?{})", flags);
  auto program = std::make_unique<Program>(prefix + std::string(pattern), options);
  if (!program->re.ok()) return fail(ErrorKind::invalid, program->re.error());
  if (program->re.NumberOfCapturingGroups() > kGroupsMax)
    return fail(ErrorKind::limit, fmt::format("more than {} groups", kGroupsMax));
  return std::unique_ptr<Regex>(new Regex(std::move(program)));
}

Regex::Regex(std::unique_ptr<Program> program)
    : program_(std::move(program)), names_(static_cast<std::size_t>(program_->re.NumberOfCapturingGroups())),
      size_(static_cast<std::size_t>(program_->re.ProgramSize())) {
  for (const auto& [group, name] : program_->re.CapturingGroupNames()) names_[static_cast<std::size_t>(group) - 1] = name;
}

Regex::~Regex() = default;

bool Regex::find(std::string_view text, std::size_t from, std::span<std::string_view> found) const {
  std::array<re2::StringPiece, kGroupsMax + 1> pieces;
  const re2::StringPiece subject(text.data(), text.size());
  if (!program_->re.Match(subject, from, text.size(), RE2::UNANCHORED, pieces.data(), static_cast<int>(found.size())))
    return false;
  std::transform(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(found.size()), found.begin(),
                 [](const re2::StringPiece& piece) { return std::string_view(piece.data(), piece.size()); });
  return true;
}

}  // namespace penstock::scripting
