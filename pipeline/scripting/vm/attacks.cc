#include "pipeline/scripting/vm/attacks.h"

#include <iterator>
#include <utility>

namespace penstock::scripting {

Attack stopped(std::string topic, std::string name, Stop stop, std::string script) {
  return {std::move(topic), std::move(name), std::move(script), Attack::End::limit, stop, Stop::none};
}

Attack refused(std::string topic, std::string name, std::string says, std::string script) {
  return {std::move(topic), std::move(name), std::move(script), Attack::End::error, Stop::none, Stop::none, std::move(says)};
}

Attack harmless(std::string topic, std::string name, std::string value, std::string script) {
  return {std::move(topic), std::move(name), std::move(script), Attack::End::value,
          Stop::none,       Stop::none,      std::move(value)};
}

std::vector<Attack> all_attacks() {
  std::vector<Attack> all;
  for (auto* topic : {attacks_on_time, attacks_on_memory, attacks_on_host})
    for (Attack& attack : topic()) all.push_back(std::move(attack));
  return all;
}

}  // namespace penstock::scripting
