#include <algorithm>
#include <cstring>

#include "pipeline/base/check.h"
#include "pipeline/event/fact_columns.h"

namespace penstock {
namespace {

std::unexpected<Error> bad(std::string_view what) {
  return fail(ErrorKind::corrupt, "chunk: its facts are damaged: " + std::string(what));
}

// Reads columns without a branch on failure at every number: past the end, or after nonsense, it reads zeros, and `failed`
// says so. Whoever uses a number as a size or an index checks it against what is there, failed or not.
class ColumnReader {
 public:
  explicit ColumnReader(std::string_view in) : in_(in) {}

  bool failed() const { return failed_; }
  std::size_t remaining() const { return in_.size(); }

  std::uint8_t byte() { return static_cast<std::uint8_t>(bytes(1).front()); }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const auto next = static_cast<std::uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(next & 0x7F) << shift;
      if (next < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }

  std::uint64_t difference() {
    const std::uint64_t raw = varint();
    return (raw >> 1) ^ (~(raw & 1) + 1);
  }

  // `count` bytes, or zeros of our own when there are fewer (then at most as many as the longest fixed field).
  std::string_view bytes(std::uint64_t count) {
    static constexpr char kZeros[16] = {};
    if (count > in_.size()) {
      failed_ = true;
      in_ = {};
      return {kZeros, static_cast<std::size_t>(std::min<std::uint64_t>(count, sizeof kZeros))};
    }
    const auto taken = in_.substr(0, count);
    in_.remove_prefix(count);
    return taken;
  }

  std::string_view text() { return bytes(varint()); }

 private:
  std::string_view in_;
  bool failed_ = false;
};

class TableReader {
 public:
  TableReader(std::string_view plain, std::uint32_t count, bool has_persons, FactTable table)
      : in_(plain), count_(count), has_persons_(has_persons), table_(table) {}

  Result<void> read(std::string_view names_section, std::uint32_t bodies_bytes) {
    ColumnReader names(names_section);
    TRY(read_texts(names, table_.names));
    if (names.remaining() != 0) return bad("bytes after the names");
    std::vector<std::string_view> projects, sources;
    TRY(read_texts(in_, projects));
    TRY(read_texts(in_, sources));
    TRY(reserve(projects, sources));
    keep(projects);
    keep(sources);
    read_uuids();
    TRY(read_numbers(table_.names, &Facts::event));
    TRY(read_numbers(projects, &Facts::project));
    TRY(read_numbers(sources, &Facts::source));
    read_times();
    TRY(read_lengths(bodies_bytes));
    TRY(read_ids(&Facts::distinct_id));
    if (has_persons_) TRY(read_ids(&Facts::person_id));
    if (in_.failed()) return bad("they end too early");
    if (in_.remaining() != 0) return bad("bytes after their end");
    return {};
  }

 private:
  // At least one, and at most one for each event.
  Result<void> read_texts(ColumnReader& in, std::vector<std::string_view>& texts) {
    const auto count = in.varint();
    if (count == 0 || count > count_ || count > in.remaining()) return bad("an impossible number of names");
    texts.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) texts.push_back(in.text());
    if (in.failed()) return bad("a name is cut off");
    return {};
  }

  // All memory, once, so that the views into it stay good; and never more than the bytes at hand can fill.
  Result<void> reserve(const std::vector<std::string_view>& projects, const std::vector<std::string_view>& sources) {
    // A new id of two bytes can repeat kSharedMax bytes of the one before.
    const std::uint64_t spelt_max = in_.remaining() * (kSharedMax / 2 + 1);
    std::uint64_t bytes = in_.varint();
    if (bytes > spelt_max) return bad("an impossible size of ids");
    if (has_persons_) {
      const auto persons = in_.varint();
      if (persons > spelt_max) return bad("an impossible size of ids");
      bytes += persons;
    }
    for (const auto* texts : {&projects, &sources}) {
      for (const auto text : *texts) bytes += text.size();
    }
    // An event takes sixteen bytes of uuid and one in each of four columns.
    if (in_.remaining() / 20 < count_) return bad("fewer events than the header says");
    text_bytes_ = bytes;
    table_.text.reserve(bytes);
    table_.facts.resize(count_);
    table_.body_ends.resize(count_);
    return {};
  }

  // Appends to the text that was reserved, and gives the view there.
  std::string_view kept(std::string_view text) {
    const auto start = table_.text.size();
    CHECK(text_bytes_ - start >= text.size());
    table_.text.append(text);
    return std::string_view(table_.text).substr(start);
  }
  void keep(std::vector<std::string_view>& texts) {
    for (auto& text : texts) text = kept(text);
  }

  void read_uuids() {
    for (Facts& facts : table_.facts) {
      const auto raw = in_.bytes(facts.uuid.bytes.size());
      std::memcpy(facts.uuid.bytes.data(), raw.data(), raw.size());
    }
  }

  Result<void> read_numbers(const std::vector<std::string_view>& texts, std::string_view Facts::* fact) {
    for (Facts& facts : table_.facts) {
      const std::uint64_t number = texts.size() > 1 ? in_.varint() : 0;
      if (number >= texts.size()) return bad("a number of no name");
      facts.*fact = texts[number];
    }
    return {};
  }

  void read_times() {
    std::uint64_t received = 0;
    for (Facts& facts : table_.facts) facts.received_at.ms = static_cast<std::int64_t>(received += in_.difference());
    std::uint64_t latency = 0;
    for (Facts& facts : table_.facts) {
      latency += in_.difference();
      facts.timestamp.ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(facts.received_at.ms) + latency);
    }
  }

  Result<void> read_lengths(std::uint32_t bodies_bytes) {
    std::uint64_t length = 0;
    std::uint64_t end = 0;
    for (std::uint32_t& body_end : table_.body_ends) {
      length += in_.difference();
      if (length > bodies_bytes - end) return bad("a body is longer than all of them");
      end += length;
      body_end = static_cast<std::uint32_t>(end);
    }
    if (end != bodies_bytes) return bad("the bodies are not as long as all of them");
    return {};
  }

  Result<void> read_ids(std::string_view Facts::* fact) {
    codes_.clear();
    std::uint64_t known = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      const auto code = in_.varint();
      if (code > known) return bad("a number of no id");
      if (code == 0) ++known;
      codes_.push_back(static_cast<std::uint32_t>(code));
    }
    ids_.clear();
    for (std::uint32_t i = 0; i < count_; ++i) {
      if (codes_[i] == 0) TRY(read_id());
      table_.facts[i].*fact = codes_[i] == 0 ? ids_.back() : ids_[codes_[i] - 1];
    }
    return {};
  }

  Result<void> read_id() {
    char spelling[kUuidTextBytes];
    std::string_view shared;
    std::string_view rest;
    if (const auto marker = in_.byte(); marker == kSpeltUuid) {
      Uuid uuid;
      const auto raw = in_.bytes(uuid.bytes.size());
      std::memcpy(uuid.bytes.data(), raw.data(), raw.size());
      uuid.format_to(spelling);
      rest = {spelling, sizeof spelling};
    } else {
      const auto before = ids_.empty() ? std::string_view() : ids_.back();
      if (marker > before.size()) return bad("an id shares more than there is");
      shared = before.substr(0, marker);
      rest = in_.text();
    }
    const auto start = table_.text.size();
    if (shared.size() + rest.size() > text_bytes_ - start) return bad("the ids are longer than their size says");
    kept(shared);
    kept(rest);
    ids_.push_back(std::string_view(table_.text).substr(start));
    return {};
  }

  ColumnReader in_;
  std::uint32_t count_;
  bool has_persons_;
  FactTable table_;
  std::uint64_t text_bytes_ = 0;
  std::vector<std::uint32_t> codes_;
  std::vector<std::string_view> ids_;
};

}  // namespace

Result<void> read_fact_columns(std::string_view names_section, std::string_view plain, std::uint32_t count, bool has_persons,
                               std::uint32_t bodies_bytes, FactTable table) {
  return TableReader(plain, count, has_persons, table).read(names_section, bodies_bytes);
}

}  // namespace penstock
