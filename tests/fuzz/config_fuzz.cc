// links: config
// Any bytes as a configuration: parsed, substituted, included, read into structs. Whatever they are, there are problems or
// there is a pipeline; no crash, no hang, no leak, and no secret in a message.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pipeline/config/document.h"
#include "pipeline/config/fingerprint.h"
#include "pipeline/config/sample_pipeline.h"

using namespace penstock;
using namespace penstock::config;

namespace {

constexpr std::string_view kSecret = "q8Zr-hunter2-xV";

// The input itself is what `include: x` finds, so that includes nest.
Lookup fuzz_lookup(std::string_view text) {
  return {[](const std::string& name) { return name == "X" ? std::optional(std::string(kSecret)) : std::nullopt; },
          [text](const std::string& path, Bytes bytes_max) -> Result<std::string> {
            if (path.size() > 2) return fail(ErrorKind::not_found, "No such file or directory");
            if (text.size() > bytes_max.count) return fail(ErrorKind::limit, "it is too large");
            return std::string(text);
          }};
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Document document = parse_document(text, "fuzz.yaml", fuzz_lookup(text));
  require(document.readable || !document.problems.empty());
  if (document.readable) {
    sample::read_pipeline(document.root, document.problems);
    require(fingerprint(document.root) == fingerprint(Node(document.root)));
    require(text.contains(kSecret) || !dump(document.root).contains(kSecret));
  }
  sort_problems(document.problems);
  if (text.contains(kSecret)) return 0;  // then it is no secret: the fuzzer reads it off our comparisons
  for (const Problem& problem : document.problems) require(!problem.to_string().contains(kSecret));
  return 0;
}
