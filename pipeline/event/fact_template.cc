#include "pipeline/event/fact_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace penstock {

std::optional<FactTemplate::Fact> FactTemplate::fact_named(std::string_view name) {
  constexpr std::array kNames{std::pair{"uuid", Fact::uuid}, std::pair{"project", Fact::project},
                              std::pair{"event", Fact::event}, std::pair{"distinct_id", Fact::distinct_id},
                              std::pair{"source", Fact::source}};
  const auto* const found = std::ranges::find_if(kNames, [&](const auto& each) { return each.first == name; });
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

Result<FactTemplate> FactTemplate::parse(std::string_view text) {
  FactTemplate made;
  Piece piece;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      piece.text += c;
      ++i;
    } else if (c == '}') {
      return fail(ErrorKind::invalid,
                  fmt::format("'{}' has a }} that closes nothing; write }}}} for the bracket itself", text));
    } else if (c == '{') {
      const auto end = text.find('}', i);
      if (end == std::string_view::npos)
        return fail(ErrorKind::invalid, fmt::format("'{}' has a {{ that is not closed", text));
      const auto name = text.substr(i + 1, end - i - 1);
      const auto fact = fact_named(name);
      if (!fact) {
        return fail(ErrorKind::invalid,
                    fmt::format("there is no fact '{}'; there are uuid, project, event, distinct_id and source", name));
      }
      piece.then = *fact;
      made.pieces_.push_back(std::exchange(piece, {}));
      i = end;
    } else {
      piece.text += c;
    }
  }
  if (!piece.text.empty()) made.pieces_.push_back(std::move(piece));
  return made;
}

bool FactTemplate::constant() const {
  return std::ranges::all_of(pieces_, [](const Piece& piece) { return piece.then == Fact::none; });
}

void FactTemplate::append_to(std::string& out, const Facts& facts) const {
  for (const auto& [text, then] : pieces_) {
    out += text;
    switch (then) {
      case Fact::none: break;
      case Fact::uuid: out += facts.uuid.to_string(); break;
      case Fact::project: out += facts.project; break;
      case Fact::event: out += facts.event; break;
      case Fact::distinct_id: out += facts.distinct_id; break;
      case Fact::source: out += facts.source; break;
    }
  }
}

std::string FactTemplate::of(const Facts& facts) const {
  std::string out;
  append_to(out, facts);
  return out;
}

}  // namespace penstock
