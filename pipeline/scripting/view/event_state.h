#pragma once
// One event on its way through the chain: its body, its facts, and the rule that keeps them in step. Not thread-safe.

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/view/arena.h"
#include "pipeline/scripting/view/document.h"

namespace penstock::scripting {

// `event`, `distinct_id`, `timestamp`, `uuid`: of a canonical body these top-level fields are facts. Without a distinct id at the
// top, `properties.distinct_id` is the fact, as it is when the event comes in.
bool is_canonical_field(std::string_view key);

class EventState {
 public:
  explicit EventState(Arena& arena) : document_(arena), arena_(arena) {}

  // Body and views in facts must stay while this event is in use.
  void open(const json::ObjectIndex& body, const Facts& facts, bool canonical);
  // The same with a body that nobody has indexed yet: it is when somebody asks for a field.
  void open(std::string_view body, const Facts& facts, bool canonical);
  // A body that an app made of `parent`, which may be this event. Of a canonical event the fields that are there become
  // facts; those that are not, stay. Kind invalid: a field that can be no fact, unless the parent had it so.
  Result<void> open_made(std::string_view body, EventState& parent);
  // The event, and its field if there is one, get this uuid.
  void set_uuid(const Uuid& uuid);

  Document& document() { return document_; }
  const Facts& facts() const { return facts_; }
  bool canonical() const { return canonical_; }
  Arena& arena() { return arena_; }

  // Whether the distinct id is what `properties` has under that name: of a canonical body without one at the top.
  bool takes_id_from_properties();
  // After something that may be that place was changed: brings the fact in step with it.
  void take_id_from_properties();

  // Before `raw` is put into the top-level canonical field `key`: changes the fact. An empty `raw` removes the field.
  // Kind invalid: no fact can be made of it, and nothing was changed.
  Result<void> assign_fact(std::string_view key, std::string_view raw);

  // From here on the event can be put back as it is now; costs nothing unless something changes.
  void mark();
  void forget_mark();
  void before_change() {
    if (marked_ && !kept_) keep();
  }
  void put_back();

  // The body's text. Valid until the next open.
  std::string_view body();

 private:
  struct Kept {
    std::string_view body;
    Facts facts;
  };

  void keep();
  std::string_view field(std::string_view key);
  std::string_view id_in_properties();

  Document document_;
  Arena& arena_;
  Facts facts_;
  bool canonical_ = false;
  bool marked_ = false;
  std::optional<Kept> kept_;
  std::string text_;
  std::string scratch_;
};

}  // namespace penstock::scripting
