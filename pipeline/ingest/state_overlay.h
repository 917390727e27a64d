#pragma once
// What the chain sees of state: the changes of the batch being collected, over those of the commit before it, over what is
// stored. The commit's stay until the next one begins, which waits for the answer, and the stored state applies a durable
// commit before it is answered: so there is no moment at which a change is in neither.
//
// That holds for rows that no other worker touches. Those of `captured` are a worker's own, because its partitions are; a polled
// source, which may have any distinct id, gets rows of its own.
//
// Used by the worker's thread only.

#include <memory>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "pipeline/ports/state_view.h"

namespace penstock::ingest {

class StateOverlay final : public StateView {
 public:
  explicit StateOverlay(StateView& stored) : stored_(stored) {}

  // What follows is about rows of this polled source; empty: of `captured`.
  void enter(std::string_view source);

  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) override;
  // Set when a row could not be told: what was collected since may rest on it and must not be committed.
  const std::optional<Error>& failure() const { return failure_; }

  // Into the batch. Takes the changes' texts.
  void collect(std::vector<StateChange>& changes);
  // Of the batch; about what they take in the log.
  std::size_t bytes() const { return bytes_; }
  // Of changes that have not been collected.
  std::size_t bytes_of(const std::vector<StateChange>& changes) const;

  // The batch's changes for a commit, each row once, by table and key: in this order applying them costs 1.5 rather than 2.5 µs
  // a row (bench/state_bench, 63,000 rows). The commit before it is forgotten.
  std::vector<StateChange> begin_commit();
  // Forgets batch and commit: the input is read again from what is stored. Nothing may be in flight.
  void forget();

 private:
  struct Row {
    std::string_view table, key;
  };
  using Change = std::unique_ptr<StateChange>;
  static Row row(const Row& asked) { return asked; }
  static Row row(const Change& change) { return {change->table, change->key}; }
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const auto& of) const { return hash(row(of)); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const auto& one, const auto& other) const {
      return row(one).key == row(other).key && row(one).table == row(other).table;
    }
  };
  using Layer = std::unordered_set<Change, Hash, Same>;
  static std::size_t hash(const Row& row);

  std::string_view in_scope(std::string_view table);  // valid until the next call

  StateView& stored_;
  std::string scope_;  // what stands behind the name of a table; empty in `captured`
  std::string scoped_;
  Layer batch_;
  Layer commit_;
  std::size_t bytes_ = 0;
  std::optional<Error> failure_;
};

}  // namespace penstock::ingest
