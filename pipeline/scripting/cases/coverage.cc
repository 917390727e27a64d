#include "pipeline/scripting/cases/coverage.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/scripting/cases/executable_lines.h"

namespace penstock::scripting {

std::string FileCoverage::missed_ranges() const {
  std::string text;
  for (std::size_t i = 0, at = 0; i < missed.size();) {
    while (lines[at] != missed[i]) ++at;
    std::size_t last = i;
    while (last + 1 < missed.size() && lines[at + 1] == missed[last + 1]) ++last, ++at;
    if (!text.empty()) text += ", ";
    text += last == i ? fmt::format("{}", missed[i]) : fmt::format("{}-{}", missed[i], missed[last]);
    i = last + 1;
  }
  return text;
}

void Coverage::note(std::string_view file, int line) {
  auto it = ran_.find(file);
  if (it == ran_.end()) it = ran_.emplace(file, std::set<int>{}).first;
  it->second.insert(line);
}

Result<std::vector<FileCoverage>> Coverage::over(const AppSource& source) const {
  std::vector<FileCoverage> files;
  for (const AppSource::File& file : source.files) {
    FileCoverage covered;
    covered.file = file.name;
    TRY_ASSIGN(covered.lines, executable_lines(file.text, file.name));
    const auto ran = ran_.find(file.name);
    for (const int line : covered.lines)
      if (ran == ran_.end() || !ran->second.contains(line)) covered.missed.push_back(line);
    files.push_back(std::move(covered));
  }
  return files;
}

std::vector<std::string> Coverage::strangers(const AppSource& source) const {
  std::vector<std::string> found;
  for (const auto& [name, ran] : ran_) {
    const auto file = std::ranges::find(source.files, name, &AppSource::File::name);
    const auto can =
        file == source.files.end() ? std::vector<int>{} : executable_lines(file->text, name).value_or(std::vector<int>{});
    for (const int line : ran)
      if (!std::ranges::binary_search(can, line)) found.push_back(fmt::format("{}:{}", name, line));
  }
  return found;
}

}  // namespace penstock::scripting
