#pragma once
// Records for tests of logs, and the two things every such test does with a log: append and hear, read all there is.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/ports/log.h"

namespace penstock::conformance {

// A stored chunk of `count` events of one partition, with bodies `{"n":<first>}`, `{"n":<first + 1>}` …
std::string sample_chunk(int partition, int first, int count);
// The same with one event and a body of its own.
std::string sample_chunk_of(int partition, std::string_view body);

// One chunk of that partition.
LogRecord sample_record(int partition, int first, int count = 1);

DeadLetter sample_dead_letter(std::string_view body);

// Waits for the answer.
Result<Appended> append_and_wait(Log& log, LogName name, LogRecord record);

// All records up to the end; a test fails when reading does.
std::vector<std::shared_ptr<const StoredRecord>> read_to_end(LogReader& reader);
std::vector<std::shared_ptr<const StoredRecord>> read_all(Log& log, LogName name);
// The same by offset, from the oldest that is kept.
std::vector<std::shared_ptr<const StoredRecord>> read_by_offset(Log& log, LogName name);

// "0@17 {"n":3}": partition, offset and body of each event, in the order of reading.
std::vector<std::string> events_of(const std::vector<std::shared_ptr<const StoredRecord>>& records);
// The offset of each event, by partition; after the last of each, what the log says is its end.
std::vector<Offsets> offsets_by_partition(Log& log, LogName name);
// "0 {"n":3}": partition and body, by partition and there in the order of reading, where offsets must rise.
std::vector<std::string> in_order(const std::vector<std::shared_ptr<const StoredRecord>>& records);

}  // namespace penstock::conformance
