#pragma once
// Which lines of an app's Lua ran, of those that can.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/scripting/package/app_source.h"

namespace penstock::scripting {

struct FileCoverage {
  std::string file;  // "lib/text.lua"
  std::vector<int> lines;  // that can run, ascending
  std::vector<int> missed;  // of these, those that never ran

  std::size_t ran() const { return lines.size() - missed.size(); }
  // Rounded down: 100 only when every line ran.
  int percent() const { return lines.empty() ? 100 : static_cast<int>(100 * ran() / lines.size()); }
  // "17, 24-26": neighbours among the lines that can run are joined.
  std::string missed_ranges() const;
};

class Coverage {
 public:
  void note(std::string_view file, int line);
  // A file that does not compile is an error that names its line.
  Result<std::vector<FileCoverage>> over(const AppSource& source) const;
  // Lines that ran although they cannot, as "app.lua:17": none, or this room has read Lua's bytecode wrong.
  std::vector<std::string> strangers(const AppSource& source) const;

 private:
  std::map<std::string, std::set<int>, std::less<>> ran_;
};

}  // namespace penstock::scripting
