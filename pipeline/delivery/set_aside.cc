#include "pipeline/delivery/set_aside.h"

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>

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

// What else a shipment takes in the window and outside, about.
constexpr std::size_t kShipmentBytes = 512;

struct Copy {
  explicit Copy(std::size_t size) : bytes(std::make_unique_for_overwrite<char[]>(size)), at(bytes.get()) {}

  void take(EventView& event) {
    for (std::string_view* text : texts_of(event)) {
      if (text->empty()) continue;
      std::memcpy(at, text->data(), text->size());
      *text = {at, text->size()};
      at += text->size();
    }
  }

  std::unique_ptr<char[]> bytes;
  char* at;
  std::deque<Origin> origins;
};

template <class Visit>
void each_origin(const Shipment& shipment, Visit visit) {
  const Origin* last = nullptr;
  for (const Parcel& parcel : shipment.parcels)
    if (parcel.origin != nullptr && std::exchange(last, parcel.origin) != parcel.origin) visit(*parcel.origin);
}

}  // namespace

std::size_t bytes_of(const Shipment& shipment) {
  std::size_t bytes = kShipmentBytes + shipment.parcels.size() * sizeof(Parcel);
  for (const Parcel& parcel : shipment.parcels) bytes += bytes_of(parcel.view);
  each_origin(shipment, [&](const Origin& origin) { bytes += sizeof(Origin) + bytes_of(origin.event); });
  return bytes;
}

void set_aside(Shipment& shipment) {
  const std::size_t needed = bytes_of(shipment);
  if (shipment.aside_bytes > 0 && shipment.aside_bytes <= needed + needed / 4) return;
  shipment.aside_bytes = needed;
  const auto copy = std::make_shared<Copy>(needed);
  const Origin* last = nullptr;
  for (Parcel& parcel : shipment.parcels) {
    copy->take(parcel.view);
    if (parcel.origin == nullptr) continue;
    if (std::exchange(last, parcel.origin) != parcel.origin) copy->take(copy->origins.emplace_back(*parcel.origin).event);
    parcel.origin = &copy->origins.back();
  }
  shipment.keeps = {copy};
}

}  // namespace penstock::delivery
