#pragma once
#include "apps/fc2/config.h"
#include "proto/yaml/reader.h"

namespace weir::fc2 {

/// The keys of FC2-106 over what `params` holds already. `reader` is not finished: the caller asks for keys of its own.
void read_params(yaml::MapReader& reader, Params& params, yaml::Complaints& complaints);

/// Keys that are known at another place, with what to do: for MapReader::finish().
[[nodiscard]] const std::map<std::string, std::string>& known_elsewhere_than_params();
[[nodiscard]] const std::map<std::string, std::string>& known_elsewhere_than_top();

}  // namespace weir::fc2
