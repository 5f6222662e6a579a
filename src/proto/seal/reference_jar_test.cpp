#include "proto/seal/reference_jar.h"

#include <gtest/gtest.h>

namespace weir::seal {
namespace {

std::string text(std::string_view t) {
    return static_cast<char>(0xa0 | t.size()) + std::string(t);
}

/// Up to 15 entries; `fields` are names and packed values, side by side.
std::string map_of(std::initializer_list<std::string> fields) {
    std::string out(1, static_cast<char>(0x80 | fields.size() / 2));
    bool name = true;
    for (const auto& f : fields) out += std::exchange(name, !name) ? text(f) : f;
    return out;
}

std::string jar_with(const std::string& cookie) {
    return map_of({"fc2.com", map_of({"k", cookie})});
}

const std::string yes = "\xc3", no = "\xc2";

TEST(ReferenceJar, CookiesAsLines) {  // FC2-123
    struct {
        std::string cookie;
        const char* line;
    } const cases[] = {
        {map_of({"Name", text("fcu"), "Value", text("abc"), "Domain", text("fc2.com"), "Path", text("/"), "Persistent",
                 yes, "Expires", std::string("\xd6\xff\x71\x3f\xb3\x00", 6)}),
         ".fc2.com\tTRUE\t/\tFALSE\t1900000000\tfcu\tabc\n"},
        {map_of({"Name",       text("s"),  "Domain",   text("id.fc2.com"),
                 "Path",       text("/a"), "Secure",   yes,
                 "HttpOnly",   yes,        "HostOnly", yes,
                 "Quoted",     yes,        "Value",    text("v"),
                 "Persistent", no,         "Expires",  std::string("\xd6\xff\x71\x3f\xb3\x00", 6)}),
         "#HttpOnly_id.fc2.com\tFALSE\t/a\tTRUE\t0\ts\t\"v\"\n"},
        {map_of({"Name", text("n"), "Domain", text("a.test"), "Persistent", yes, "Expires",
                 std::string("\xd7\xff\x00\x00\x00\x24\x71\x3f\xb3\x01", 10)}),
         ".a.test\tTRUE\t/\tFALSE\t1900000001\tn\t\n"},
        {map_of({"Name", text("n"), "Domain", text("a.test"), "Persistent", yes, "Expires",
                 std::string("\xc7\x0c\xff\x00\x00\x00\x01\x00\x00\x00\x00\x71\x3f\xb3\x02", 15)}),
         ".a.test\tTRUE\t/\tFALSE\t1900000002\tn\t\n"},
        {map_of({"Name", text("n"), "Domain", text("a.test"), "Persistent", yes, "Expires", text("tomorrow")}),
         ".a.test\tTRUE\t/\tFALSE\t0\tn\t\n"},
        {map_of({"Name", text("n"), "Domain", text("a.test"), "New",
                 std::string("\x93\x01\xcb________\xdc\x00\x01\x81\xa1k\xc4\x02zz", 21), "Value", text("v")}),
         ".a.test\tTRUE\t/\tFALSE\t0\tn\tv\n"},
        {map_of({"Name", text("n"), "Value", text("a\tb"), "Domain", text("a.test")}), ""},
        {map_of({"Name", text("n"), "Value", text("v"), "Domain", text("")}), ""},
        {map_of({"Value", text("v"), "Domain", text("a.test")}), ""},
        {"\xc0", ""},
    };
    for (const auto& one : cases) {
        const auto lines = reference_jar_as_netscape(jar_with(one.cookie));
        ASSERT_TRUE(lines) << one.line;
        EXPECT_EQ(*lines, one.line);
    }
    EXPECT_EQ(reference_jar_as_netscape("\x80").value(), "");
}

TEST(ReferenceJar, WhatIsNoneIsRefused) {
    const auto whole = jar_with(
        map_of({"Name", text("n"), "Domain", text("a.test"), "Expires", std::string("\xd6\xff\x71\x3f\xb3\x00", 6)}));
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(reference_jar_as_netscape(std::string_view(whole).substr(0, size))) << size;
    const std::string deep = jar_with(map_of({"x", std::string(40, '\x91')}));
    const std::string many = "\xdf\xff\xff\xff\xff" + std::string(64, '\xc0');
    const std::string never = jar_with(map_of({"x", "\xc1"}));
    for (const auto& sent : {deep, many, never, std::string("\x91\x01"), std::string("# Netscape")}) {
        const auto lines = reference_jar_as_netscape(sent);
        ASSERT_FALSE(lines);
        EXPECT_EQ(lines.error().code, Errc::bad_input);
    }
}

}  // namespace
}  // namespace weir::seal
