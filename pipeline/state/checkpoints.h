#pragma once
// Copies of the state's database as it stood at some record: what it can be made from once the log has lost its beginning.
// DATA/checkpoints/<next sequence>-<time>, each a database by itself, whose files are hard links as long as the state has them.
//
// A name appears when the copy is whole, durable and has been opened once. The newest two are kept, so that there is another
// when one turns out to be damaged. Not thread-safe: the owner locks. Errors: io; corrupt, when one does not open.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/state/state_database.h"

namespace penstock::state {

struct Checkpoint {
  std::uint64_t next_sequence = 0;  // of the first record that it does not know
  Timestamp taken_at{};
  std::string folder{};
};

class Checkpoints {
 public:
  // The folder need not exist.
  Checkpoints(std::string folder, const Surroundings& around) : folder_(std::move(folder)), around_(around) {}

  // Newest first. Those whose names say so; whether they open is another question.
  Result<std::vector<Checkpoint>> list() const;
  // Of the database as it is now; removes all but the newest two.
  Result<Checkpoint> take(const Database& database);
  // Whether it opens and stands where its name says.
  Result<void> check(const Checkpoint& checkpoint) const;
  // The same, and every block is read and compared with its checksum.
  Result<void> verify(const Checkpoint& checkpoint) const;
  // Into a folder that must not exist, durably; every block is read and compared with its checksum.
  Result<void> restore(const Checkpoint& checkpoint, const std::string& to) const;
  Result<void> remove(const Checkpoint& checkpoint);

 private:
  const std::string folder_;
  const Surroundings around_;
};

}  // namespace penstock::state
