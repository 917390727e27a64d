#pragma once
// Whether new apps may take the place of those that run: their own cases decide, before anything is touched.

#include <memory>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/scripting/transform/chain_plan.h"

namespace penstock::topology {

// The pipeline's chain and those of its destinations; null: no apps.
using Chains = std::vector<std::shared_ptr<const scripting::ChainPlan>>;

// Runs the cases of every app in `next` that `running` does not have just so; an app without cases.yaml has none to fail.
// An error of kind invalid names each failing case, with how it fails. Takes as long as the cases do.
Result<void> check_cases(const Chains& running, const Chains& next);

}  // namespace penstock::topology
