// penstock app reference: the `app` table, from where its functions are declared.
#include <fmt/format.h>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/scripting/library/app_table.h"

namespace penstock::cli {

int print_app_reference() {
  fmt::print(
      "# The `app` table\n\n`transform(event, app)` gets it as its second argument. Everything in it is deterministic: the "
      "same event\nthrough the same apps gives the same result.\n\n| In it | Meaning |\n| --- | --- |\n");
  fmt::print("| `app.settings` | The app's settings, as app.yaml declares them and `with:` gives them; read-only. |\n");
  fmt::print("| `app.null` | JSON null; assigning nil deletes. |\n");
  for (const auto& function : scripting::app_functions()) fmt::print("| `{}` | {} |\n", function.usage(), function.doc);
  return kOk;
}

}  // namespace penstock::cli
