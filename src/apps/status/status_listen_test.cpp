#include <gtest/gtest.h>

#include "apps/status/status_server.h"

namespace weir::status {
namespace {

TEST(StatusListen, WhatIsSaidBecomesAnAddress) {
    struct Case {
        const char *said, *address;
        std::uint16_t port;
        bool loopback, asked_for;
    };
    for (const auto& c :
         {Case{"", "127.0.0.1", 3000, true, false}, Case{":3000", "127.0.0.1", 3000, true, true},
          Case{"8080", "127.0.0.1", 8080, true, true}, Case{":0", "127.0.0.1", 0, true, true},
          Case{"localhost:3000", "127.0.0.1", 3000, true, true}, Case{"127.9.9.9:3000", "127.9.9.9", 3000, true, true},
          Case{"[::1]:65535", "::1", 65'535, true, true}, Case{"0.0.0.0:3000", "0.0.0.0", 3000, false, true},
          Case{"[::]:3000", "::", 3000, false, true}, Case{"192.0.2.7:1", "192.0.2.7", 1, false, true}}) {
        const auto made = parse_listen(c.said, "--listen");
        ASSERT_TRUE(made) << c.said;
        EXPECT_EQ(made->address, c.address) << c.said;
        EXPECT_EQ(made->port, c.port) << c.said;
        EXPECT_EQ(made->loopback(), c.loopback) << c.said;
        EXPECT_EQ(made->asked_for, c.asked_for) << c.said;
    }
}

TEST(StatusListen, WhatIsNoAddressNamesTheOption) {
    for (const char* said :
         {"3000x", ":", "-1", "+1", ":65536", "::1", "::1:3000", "[127.0.0.1]:1", "host.example:3000",
          "127.0.0.1.example:3000", "http://127.0.0.1:3000", "*:3000", " 3000"}) {
        const auto made = parse_listen(said, "--listen");
        ASSERT_FALSE(made) << said;
        EXPECT_EQ(made.error().code, Errc::bad_input) << said;
        EXPECT_NE(made.error().text().find("--listen"), std::string::npos) << said;
    }
}

}  // namespace
}  // namespace weir::status
