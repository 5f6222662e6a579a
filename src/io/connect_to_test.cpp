#include "io/connect_to.h"

#include <gmock/gmock.h>

#include "http_client_fixture.h"
#include "temp_folder.h"
#include "test_certificate.h"

namespace weir {
namespace {

struct Detour {
    const char *name, *list, *host;
    std::uint16_t port;
    std::optional<ConnectTo::Place> to;
};
std::ostream& operator<<(std::ostream& out, const Detour& d) {
    return out << d.name;
}

class ConnectToList : public testing::TestWithParam<Detour> {};

TEST_P(ConnectToList, SaysWhereToConnect) {
    const auto list = ConnectTo::parse(GetParam().list);
    ASSERT_TRUE(list) << list.error().text();
    const auto place = list->instead_of(GetParam().host, GetParam().port);
    ASSERT_EQ(place.has_value(), GetParam().to.has_value());
    if (place) {
        EXPECT_EQ(place->host, GetParam().to->host);
        EXPECT_EQ(place->port, GetParam().to->port);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConnectToList,
    testing::Values(Detour{"Nothing", "", "a.test", 443, {}},
                    Detour{"Both", "a.test:443:127.0.0.1:8443", "a.test", 443, {{"127.0.0.1", 8443}}},
                    Detour{"AnyCase", "A.test:443:127.0.0.1:8443", "a.TEST", 443, {{"127.0.0.1", 8443}}},
                    Detour{"OtherPort", "a.test:443:127.0.0.1:8443", "a.test", 80, {}},
                    Detour{"OtherHost", "a.test:443:127.0.0.1:8443", "b.test", 443, {}},
                    Detour{"AnyHost", ":443:gate.test:8443", "b.test", 443, {{"gate.test", 8443}}},
                    Detour{"AnyPort", "a.test::gate.test:", "a.test", 81, {{"gate.test", 81}}},
                    Detour{"OnlyThePort", "a.test:443::8443", "a.test", 443, {{"a.test", 8443}}},
                    Detour{"SixToSix", "[::1]:443:[::2]:8443", "::1", 443, {{"::2", 8443}}},
                    Detour{"TheFirstThatFits", "b.test:1:x:2, a.test:1:y:3,:1:z:4", "a.test", 1, {{"y", 3}}}),
    [](const auto& p) { return p.param.name; });

TEST(ConnectToErrors, NameTheEntry) {
    for (const char* wrong : {"a.test", "a.test:443:b.test", "a:1:b:2,a.test:x:b.test:1", "a:0:b:1", "a:1:b:70000",
                              "[::1:443:b:1", "[::1]x:443:b:1", "a:1:b:1:c", ",", "a:1:b:1,,c:1:d:2"}) {
        const auto list = ConnectTo::parse(wrong);
        ASSERT_FALSE(list) << wrong;
        EXPECT_EQ(list.error().code, Errc::bad_input);
        EXPECT_THAT(list.error().text(), testing::MatchesRegex("WEIR_CONNECT_TO: entry [12] is not "
                                                               "HOST:PORT:TO_HOST:TO_PORT"));
    }
}

class HttpDetour : public test::HttpClientFixture {
protected:
    test::TempFolder dir_;
    ~HttpDetour() override { unsetenv("WEIR_CONNECT_TO"); }
};

TEST_F(HttpDetour, TheRequestGoesElsewhereUnderItsOwnName) {
    test::ScriptServer* noting = nullptr;
    test::ScriptServer server([&noting](test::Talk& t) {
        noting->note(t.read_head());
        t.send(test::reply(200, "ok"));
    });
    noting = &server;
    names_["gate.test"] = {"127.0.0.1"};
    setenv("WEIR_CONNECT_TO", fmt::format("api.test:80:gate.test:{}", server.port()).c_str(), 1);
    setenv("HTTP_PROXY", "127.0.0.1:1", 1);
    const auto answer = fetch(get("http://api.test/x"));
    unsetenv("HTTP_PROXY");
    ASSERT_TRUE(answer) << answer.error().text();
    EXPECT_EQ(answer->body, "ok");
    EXPECT_THAT(server.notes().at(0), testing::HasSubstr("Host: api.test\r\n"));
}

TEST_F(HttpDetour, TheCertificateIsThatOfTheUrlsHost) {
    const test::TestCertificate certificate("DNS:api.test");
    const auto file = (dir_ / "ca.pem").string();
    certificate.write(file);
    setenv("SSL_CERT_FILE", file.c_str(), 1);
    test::ScriptServer server(
        [](test::Talk& t) {
            if (!t.read_head().empty()) t.send(test::reply(200, "ok"));
        },
        certificate.context());
    setenv("WEIR_CONNECT_TO", fmt::format(":443:127.0.0.1:{}", server.port()).c_str(), 1);
    const auto right = fetch(get("https://api.test/"));
    EXPECT_TRUE(right) << right.error().text();
    EXPECT_FALSE(fetch(get("https://other.test/")));
    auto careless = get("https://other.test/");
    careless.verify_tls = false;
    EXPECT_TRUE(fetch(careless));
    EXPECT_FALSE(fetch(get("https://other.test/"))) << "only that one request trusted anybody";
}

TEST_F(HttpDetour, AWrongListFailsEveryRequest) {
    setenv("WEIR_CONNECT_TO", "api.test", 1);
    const auto answer = fetch(get("http://127.0.0.1:1/"));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::bad_input);
}

}  // namespace
}  // namespace weir
