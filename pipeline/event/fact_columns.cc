#include "pipeline/event/fact_columns.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "pipeline/base/codec.h"

namespace penstock {
namespace {

void write_dictionary(Writer& writer, const Dictionary& dictionary) {
  writer.varint(dictionary.size());
  for (std::uint32_t number = 0; number < dictionary.size(); ++number) writer.text(dictionary[number]);
}

// Only the spelling that comes back: lower case with dashes.
std::optional<Uuid> spelt_uuid(std::string_view id) {
  if (id.size() != kUuidTextBytes) return std::nullopt;
  const auto uuid = Uuid::parse(id);
  if (!uuid) return std::nullopt;
  char spelling[kUuidTextBytes];
  uuid->format_to(spelling);
  return std::memcmp(spelling, id.data(), kUuidTextBytes) == 0 ? uuid : std::nullopt;
}

std::string_view bytes_of(const Uuid& uuid) { return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()}; }

}  // namespace

void DifferenceColumn::add(std::uint64_t value) {
  Writer(bytes_).signed_varint(static_cast<std::int64_t>(value - last_));
  last_ = value;
}

void DifferenceColumn::clear() {
  bytes_.clear();
  last_ = 0;
}

// Nearly always the same text again.
void NumberColumn::add(std::string_view text) {
  if (bytes_.empty() || dictionary_[last_] != text) last_ = dictionary_.add(text).number;
  Writer(bytes_).varint(last_);
}

void NumberColumn::clear() {
  dictionary_.clear();
  bytes_.clear();
}

void IdColumn::add(std::string_view id) {
  const bool again = !codes_.empty() && dictionary_[last_] == id;
  const auto place = again ? Dictionary::Place{last_, false} : dictionary_.add(id);
  last_ = place.number;
  Writer(codes_).varint(place.is_new ? 0 : std::uint64_t{place.number} + 1);
  if (place.is_new) add_entry(id, place.number == 0 ? std::string_view() : dictionary_[place.number - 1]);
}

void IdColumn::add_entry(std::string_view id, std::string_view before) {
  Writer writer(entries_);
  if (const auto uuid = spelt_uuid(id)) {
    writer.fixed(kSpeltUuid);
    writer.bytes(bytes_of(*uuid));
    return;
  }
  const auto comparable = std::min({id.size(), before.size(), kSharedMax});
  const auto differ = std::mismatch(id.begin(), id.begin() + static_cast<std::ptrdiff_t>(comparable), before.begin());
  const auto shared = static_cast<std::size_t>(differ.first - id.begin());
  writer.fixed(static_cast<std::uint8_t>(shared));
  writer.text(id.substr(shared));
}

void IdColumn::clear() {
  dictionary_.clear();
  codes_.clear();
  entries_.clear();
}

void FactColumns::add(const Facts& facts, std::size_t body_bytes) {
  const auto received = static_cast<std::uint64_t>(facts.received_at.ms);
  ++count_;
  has_persons_ |= !facts.person_id.empty();
  uuids_.append(bytes_of(facts.uuid));
  events_.add(facts.event);
  projects_.add(facts.project);
  sources_.add(facts.source);
  received_.add(received);
  latencies_.add(static_cast<std::uint64_t>(facts.timestamp.ms) - received);
  lengths_.add(body_bytes);
  ids_.add(facts.distinct_id);
  persons_.add(facts.person_id);
}

std::size_t FactColumns::bytes() const {
  return uuids_.size() + events_.bytes().size() + events_.dictionary().text_bytes() + projects_.bytes().size() +
         sources_.bytes().size() + received_.bytes().size() + latencies_.bytes().size() + lengths_.bytes().size() +
         ids_.codes().size() + ids_.entries().size() + persons_.codes().size() + persons_.entries().size();
}

void FactColumns::write_names(std::string& out) const {
  Writer writer(out);
  write_dictionary(writer, events_.dictionary());
}

void FactColumns::write_plain(std::string& out) const {
  Writer writer(out);
  write_dictionary(writer, projects_.dictionary());
  write_dictionary(writer, sources_.dictionary());
  writer.varint(ids_.spelt_bytes());
  if (has_persons_) writer.varint(persons_.spelt_bytes());
  writer.bytes(uuids_);
  for (const auto* column : {&events_, &projects_, &sources_}) {
    if (column->dictionary().size() > 1) writer.bytes(column->bytes());
  }
  for (const auto* column : {&received_, &latencies_, &lengths_}) writer.bytes(column->bytes());
  for (const auto* column : {&ids_, &persons_}) {
    if (column == &persons_ && !has_persons_) continue;
    writer.bytes(column->codes());
    writer.bytes(column->entries());
  }
}

void FactColumns::clear() {
  count_ = 0;
  has_persons_ = false;
  uuids_.clear();
  for (auto* column : {&events_, &projects_, &sources_}) column->clear();
  for (auto* column : {&received_, &latencies_, &lengths_}) column->clear();
  for (auto* column : {&ids_, &persons_}) column->clear();
}

}  // namespace penstock
