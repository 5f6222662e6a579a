#pragma once
// Helpers of the tests here.
#include <gtest/gtest.h>

#include "simulated_shard.h"

namespace weir::sites {

using RigShard = test::SimulatedShard;

}  // namespace weir::sites
