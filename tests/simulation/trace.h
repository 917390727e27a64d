#pragma once
// What happens in a run, a line each, with the simulated time: printed when one seed is run alone, kept when two runs of it are
// compared. And what was found wrong.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pipeline/base/clock.h"

namespace penstock::simulation {

enum class Traced { no, printed, kept };

class Trace {
 public:
  Trace(Traced traced, const Clock& clock) : traced_(traced), clock_(clock), began_(clock.now()) {}

  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    if (traced_ != Traced::no) add(fmt::format(format, std::forward<Args>(args)...));
  }
  // A promise was broken.
  template <class... Args>
  void wrong(fmt::format_string<Args...> format, Args&&... args) {
    wrong_.push_back(fmt::format(format, std::forward<Args>(args)...));
    if (traced_ != Traced::no) add("WRONG: " + wrong_.back());
  }
  const std::vector<std::string>& found() const { return wrong_; }
  const std::string& kept() const { return kept_; }

 private:
  void add(const std::string& what) {
    const auto line = fmt::format("{:9.3f} s  {}\n", static_cast<double>(clock_.now().ms - began_.ms) / 1000, what);
    if (traced_ == Traced::kept) {
      kept_ += line;
      return;
    }
    fmt::print("{}", line);
    std::fflush(stdout);
  }

  const Traced traced_;
  const Clock& clock_;
  const Timestamp began_;
  std::vector<std::string> wrong_;
  std::string kept_;
};

}  // namespace penstock::simulation
