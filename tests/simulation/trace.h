#pragma once
// What happens in a run, a line each, with the simulated time: printed when one seed is run alone. And what was found wrong.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pipeline/base/clock.h"

namespace penstock::simulation {

class Trace {
 public:
  Trace(bool printed, const Clock& clock) : printed_(printed), clock_(clock), began_(clock.now()) {}

  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    if (printed_) print(fmt::format(format, std::forward<Args>(args)...));
  }
  // A promise was broken.
  template <class... Args>
  void wrong(fmt::format_string<Args...> format, Args&&... args) {
    wrong_.push_back(fmt::format(format, std::forward<Args>(args)...));
    if (printed_) print("WRONG: " + wrong_.back());
  }
  const std::vector<std::string>& found() const { return wrong_; }

 private:
  void print(const std::string& line) const {
    fmt::print("{:9.3f} s  {}\n", static_cast<double>(clock_.now().ms - began_.ms) / 1000, line);
    std::fflush(stdout);
  }

  const bool printed_;
  const Clock& clock_;
  const Timestamp began_;
  std::vector<std::string> wrong_;
};

}  // namespace penstock::simulation
