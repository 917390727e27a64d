#include "pipeline/delivery/set_aside.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

namespace penstock::delivery {
namespace {

std::array<std::string_view*, 6> texts_of(EventView& event) {
  Facts& facts = event.facts;
  return {&event.body, &facts.project, &facts.event, &facts.distinct_id, &facts.person_id, &facts.source};
}

std::size_t bytes_of(const EventView& event) {
  const Facts& facts = event.facts;
  return event.body.size() + facts.project.size() + facts.event.size() + facts.distinct_id.size() + facts.person_id.size() +
         facts.source.size();
}

}  // namespace

std::size_t bytes_of(const Shipment& shipment) {
  std::size_t bytes = shipment.parcels.size() * sizeof(Parcel);
  for (const Parcel& parcel : shipment.parcels) bytes += bytes_of(parcel.view);
  return bytes;
}

void set_aside(Shipment& shipment) {
  const std::size_t needed = bytes_of(shipment);
  const bool small_enough = shipment.aside_bytes > 0 && shipment.aside_bytes <= 2 * needed;
  const bool made = std::ranges::any_of(shipment.parcels, [](const Parcel& parcel) { return parcel.origin != nullptr; });
  if (small_enough) return;
  shipment.aside_bytes = needed;
  if (made) return;
  const std::shared_ptr<char[]> copy = std::make_shared_for_overwrite<char[]>(needed);
  char* at = copy.get();
  for (Parcel& parcel : shipment.parcels) {
    for (std::string_view* text : texts_of(parcel.view)) {
      if (text->empty()) continue;
      std::memcpy(at, text->data(), text->size());
      *text = {at, text->size()};
      at += text->size();
    }
  }
  shipment.keeps = {std::shared_ptr<const void>(copy, copy.get())};
}

}  // namespace penstock::delivery
