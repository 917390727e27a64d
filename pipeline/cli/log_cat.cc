// penstock log cat: the events of a stopped pipeline's data folder.
#include <cstdio>

#include "connectors/logs/local/local_log.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/event/envelope.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::cli {
namespace {

Result<void> print_all(Log& log, LogName name) {
  TRY_ASSIGN(const auto reader, log.read(name, log.begin(name)));
  std::string line;
  for (;;) {
    TRY_ASSIGN(const auto record, reader->next());
    if (!record) return {};
    for (const auto& chunk : record->chunks) {
      for (std::uint32_t i = 0; i < chunk->size(); ++i) {
        TRY_ASSIGN(const std::string_view body, chunk->body(i));
        line.clear();
        append_envelope(line, {chunk->facts(i), body});
        line.push_back('\n');
        if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size())
          return fail_errno("write to standard output", errno);
      }
    }
  }
}

}  // namespace

int cat_log(const std::string& data, const std::string& log_name) {
  const auto log = logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock());
  if (!log) return refuse(log.error(), kCannot);
  const auto printed = print_all(**log, log_name == "captured" ? LogName::captured : LogName::events);
  return printed ? kOk : refuse(printed.error(), kCannot);
}

}  // namespace penstock::cli
