#pragma once
#include <string>

namespace CLI {
class App;
}

namespace weir::faces {

struct RelayDevicesArguments {
    std::string url = "http://127.0.0.1:8888";
    bool json = false;
};
int run_relay_devices(const RelayDevicesArguments& arguments);

struct RelayTokenArguments {
    std::string audience, booking_id, topic, secret_file, lifetime, other_scopes, connection_type = "session";
    bool read = true, write = true, admin = false;
};
int run_relay_token(const RelayTokenArguments& arguments);

/// The commands `weir relay devices` and `weir relay token`, below `relay`; `a` outlives the parsing.
struct RelayToolArguments {
    RelayDevicesArguments devices;
    RelayTokenArguments token;
};
void add_relay_tools(CLI::App& relay, RelayToolArguments& a);

}  // namespace weir::faces
