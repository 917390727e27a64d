#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include <fmt/format.h>
#include <simdjson.h>

#include "pipeline/event/json.h"
#include "pipeline/event/json_grammar.h"

namespace penstock::json {
namespace {

// Above this, the parser's memory (about fourteen bytes per byte of text) is given back after each use.
constexpr std::size_t kKeptBytes = 1 << 20;

constexpr std::string_view kReplacement = "\\ufffd";

// The next lone surrogate escape at or after `at`, or npos. Escapes outside of strings are invalid anyway, so that strings
// need not be told apart here.
std::size_t find_lone_surrogate(std::string_view text, std::size_t at) {
  for (;;) {
    at = text.find('\\', at);
    if (at == std::string_view::npos || at + 1 >= text.size()) return std::string_view::npos;
    const int unit = text[at + 1] == 'u' ? hex4(text.substr(at + 2)) : -1;
    if (is_high_surrogate(unit)) {
      const auto next = text.substr(at + 6);
      if (!next.starts_with("\\u") || !is_low_surrogate(hex4(next.substr(2)))) return at;
      at += 12;
    } else if (is_low_surrogate(unit)) {
      return at;
    } else {
      at += 2;
    }
  }
}

// A replacement is as long as what it replaces, so every offset stays what it was.
std::uint32_t replace_lone_surrogates(std::string_view& text, std::string& repaired) {
  auto at = find_lone_surrogate(text, 0);
  if (at == std::string_view::npos) return 0;
  repaired = text;
  std::uint32_t count = 0;
  for (; at != std::string_view::npos; at = find_lone_surrogate(repaired, at + kReplacement.size())) {
    kReplacement.copy(repaired.data() + at, kReplacement.size());
    ++count;
  }
  text = repaired;
  return count;
}

}  // namespace

struct Validator::Impl {
  explicit Impl(Limits bounds) : limits(bounds) {}

  // `text` is one valid value within the limits; replaces lone surrogates on the way.
  Result<Repairs> check(std::string_view& text, std::string& repaired) {
    if (text.size() > limits.bytes_max) {
      return fail(ErrorKind::limit,
                  fmt::format("{} bytes of JSON are more than the limit of {} bytes", text.size(), limits.bytes_max));
    }
    Repairs repairs;
    escapes = text.contains('\\');
    if (escapes) repairs.lone_surrogates = replace_lone_surrogates(text, repaired);
    placed_from = text.data();
    placed = parses(text);
    if (!placed) {
      if (const auto problem = find_grammar_problem(text, limits.depth_max))
        return invalid(problem->offset, problem->reason);
    }
    text = trim(text);
    return repairs;
  }

  static std::unexpected<Error> invalid(std::size_t offset, std::string_view reason) {
    return fail(ErrorKind::invalid, fmt::format("invalid JSON at byte {}: {}", offset, reason));
  }

  // Gives memory for a large text back.
  class AfterUse {
   public:
    explicit AfterUse(Impl& impl) : impl_(impl) {}
    AfterUse(const AfterUse&) = delete;
    AfterUse& operator=(const AfterUse&) = delete;
    ~AfterUse() {
      if (impl_.padded.size() <= kKeptBytes + simdjson::SIMDJSON_PADDING) return;
      impl_.parser = simdjson::dom::parser();
      std::string().swap(impl_.padded);
    }

   private:
    Impl& impl_;
  };

  // False: refused, or beyond what simdjson can hold; the grammar then decides.
  bool parses(std::string_view text) {
    if (text.empty() || text.starts_with("\xEF\xBB\xBF")) return false;
    const auto needed = text.size() + simdjson::SIMDJSON_PADDING;
    if (padded.size() < needed) padded.resize(needed);
    std::memcpy(padded.data(), text.data(), text.size());
    std::memset(padded.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
    if (parser.max_depth() != parser_depth() || parser.capacity() < text.size()) {
      if (parser.allocate(std::bit_ceil(std::max<std::size_t>(text.size(), 4096)), parser_depth()) != simdjson::SUCCESS)
        return false;
    }
    return parser.parse(padded.data(), text.size(), false).error() == simdjson::SUCCESS;
  }

  // simdjson counts the document as a level but not an empty array or object. So it refuses at the limit, where the walk
  // counts exactly, and accepts nothing beyond.
  std::size_t parser_depth() const { return static_cast<std::size_t>(limits.depth_max); }

  Limits limits;
  simdjson::dom::parser parser;
  std::string padded;
  std::string repaired_object;
  // Whether the parser still knows where things are in what it read last, and where that began.
  bool placed = false;
  bool escapes = false;
  const char* placed_from = nullptr;
  std::string repaired_value;
};

Validator::Validator(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
Validator::~Validator() = default;
Validator::Validator(Validator&&) noexcept = default;
Validator& Validator::operator=(Validator&&) noexcept = default;

Result<Repairs> Validator::validate(std::string_view body, ObjectIndex& index) {
  const Impl::AfterUse after(*impl_);
  std::string_view text = body;
  TRY_ASSIGN(Repairs repairs, impl_->check(text, impl_->repaired_object));
  if (text.front() != '{') {
    return Impl::invalid(body.find_first_not_of(" \t\r\n"), "an event must be an object");
  }
  if (!impl_->placed) {
    TRY(index.read(text, repairs.duplicate_keys));
    return repairs;
  }
  // simdjson shows its structural indexes for benchmarks; the version is that of Debian 12.
  const auto& parsed = *impl_->parser.implementation;
  index.places_.assign(parsed.structural_indexes.get(), parsed.structural_indexes.get() + parsed.n_structural_indexes);
  index.placed_from_ = impl_->placed_from;
  index.escapes_ = impl_->escapes;
  TRY(index.read_placed(text, repairs.duplicate_keys));
  return repairs;
}

Result<std::string_view> Validator::validate_value(std::string_view text, Repairs* repairs) {
  const Impl::AfterUse after(*impl_);
  TRY_ASSIGN(const Repairs made, impl_->check(text, impl_->repaired_value));
  if (repairs != nullptr) *repairs = made;
  return text;
}

}  // namespace penstock::json
