#pragma once
// Whether so much is rejected that going on would only fill the dead letters: a wrong schema, a revoked permission, a broken
// filter. Counts what was delivered and what died in the present window of time and the one before. A value without a clock of
// its own.

#include <cstdint>
#include <utility>

#include "pipeline/base/clock.h"
#include "pipeline/delivery/settings.h"

namespace penstock::delivery {

class Rejections {
 public:
  explicit Rejections(const SuspendSettings& settings) : settings_(settings) {}

  void count(std::uint64_t delivered, std::uint64_t died, SteadyTime now) {
    if (now - began_ >= settings_.within) {
      const bool next = now - began_ < 2 * settings_.within;
      before_ = next ? now_ : Counts{};
      now_ = {};
      began_ = now;
    }
    now_.delivered += delivered;
    now_.died += died;
  }

  // The share is passed, with enough events seen to say so.
  bool too_many() const {
    return died() >= static_cast<std::uint64_t>(settings_.events) &&
           static_cast<double>(died()) > static_cast<double>(seen()) * settings_.share;
  }

  std::uint64_t died() const { return now_.died + before_.died; }
  std::uint64_t seen() const { return died() + now_.delivered + before_.delivered; }

  void forget() { now_ = before_ = {}; }

 private:
  struct Counts {
    std::uint64_t delivered = 0;
    std::uint64_t died = 0;
  };

  const SuspendSettings settings_;
  Counts now_;
  Counts before_;
  SteadyTime began_{};
};

}  // namespace penstock::delivery
