// The composition starts here: the registry is a value, filled by ordinary calls, and handed down.
#include "pipeline/base/standard_streams.h"
#include "pipeline/cli/cli.h"
#include "pipeline/registry/registered_connectors.h"

int main(int argc, char** argv) {
  penstock::keep_standard_streams();
  penstock::Registry registry;
  penstock::register_connectors(registry);
  return penstock::cli::main(argc, argv, registry);
}
