#include <algorithm>
#include <bit>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "pipeline/event/json.h"
#include "pipeline/event/json_grammar.h"
#include "pipeline/event/json_structure.h"

namespace penstock::json {
namespace {

// Above this, the memory for places (four bytes per byte of text) is given back after each use.
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
      if (impl_.stage == nullptr || impl_.stage->capacity() <= kKeptBytes) return;
      impl_.stage.reset();
      std::vector<std::uint32_t>().swap(impl_.closes);
    }

   private:
    Impl& impl_;
  };

  // False: refused, or no array or object; the grammar then decides.
  bool parses(std::string_view text) {
    if (!has_room(text.size())) return false;
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    if (stage->stage1(bytes, text.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) return false;
    return check_structure(text, places(), escapes, static_cast<std::size_t>(limits.depth_max), closes, open);
  }

  bool has_room(std::size_t bytes) {
    if (stage != nullptr && stage->capacity() >= bytes) return true;
    const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(bytes, 4096));
    return simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, stage) == simdjson::SUCCESS;
  }

  // As simdjson's On-Demand interface takes them; the version is that of Debian 12.
  Places places() const { return {stage->structural_indexes.get(), stage->n_structural_indexes}; }

  Limits limits;
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
  std::vector<std::uint32_t> closes;
  std::vector<std::uint32_t> open;
  std::string repaired_object;
  // Whether it is known where things are in what was read last, and where that began.
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
  const Places places = impl_->places();
  index.places_.assign(places.begin(), places.end());
  index.closes_.assign(impl_->closes.begin(), impl_->closes.begin() + static_cast<std::ptrdiff_t>(places.size()));
  index.placed_from_ = impl_->placed_from;
  index.escapes_ = impl_->escapes;
  index.read_placed(text, repairs.duplicate_keys);
  return repairs;
}

Result<std::string_view> Validator::validate_value(std::string_view text, Repairs* repairs) {
  const Impl::AfterUse after(*impl_);
  TRY_ASSIGN(const Repairs made, impl_->check(text, impl_->repaired_value));
  if (repairs != nullptr) *repairs = made;
  return text;
}

}  // namespace penstock::json
