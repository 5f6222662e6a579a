#include "io/mqtt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "bound_port.h"

namespace weir {
namespace {

using test::BoundPort;
using testing::HasSubstr;
using testing::Not;

MqttPublish publish_to(std::string host, std::uint16_t port) {
    MqttPublish publish;
    publish.host = std::move(host);
    publish.port = port;
    publish.user = "someone";
    publish.password = Secret("canary-of-mqtt");
    publish.topic = "a/b";
    publish.payload = "text";
    return publish;
}

Error failure_of(const MqttPublish& publish) {
    const std::atomic<bool> cancelled = false;
    const auto sent = publish_mqtt(publish, cancelled);
    return sent ? Error{Errc::internal, "it was sent"} : sent.error();
}

TEST(Mqtt, TellsThatNobodyListens) {
    const BoundPort deaf(BoundPort::Kind::deaf);
    for (const bool tls : {false, true}) {
        auto publish = publish_to("127.0.0.1", deaf.port);
        publish.tls = tls;
        const auto error = failure_of(publish);
        EXPECT_EQ(error.code, Errc::unreachable);
        EXPECT_EQ(error.text(), fmt::format("cannot connect to 127.0.0.1 port {}: connection refused", deaf.port));
    }
}

TEST(Mqtt, TellsThatAHostHasNoAddress) {
    const auto error = failure_of(publish_to("nowhere.invalid", 1883));
    EXPECT_EQ(error.code, Errc::unreachable);
    EXPECT_THAT(error.text(), testing::StartsWith("cannot resolve nowhere.invalid: "));
    EXPECT_THAT(error.text(), Not(HasSubstr("canary")));
}

TEST(Mqtt, TakesAddressesThatAreKnownAlready) {
    const BoundPort deaf(BoundPort::Kind::deaf);
    auto publish = publish_to("nowhere.invalid", deaf.port);
    publish.addresses = {"127.0.0.1"};
    EXPECT_EQ(failure_of(publish).text(),
              fmt::format("cannot connect to nowhere.invalid port {}: connection refused", deaf.port));
}

TEST(Mqtt, GivesUpOnABrokerThatSaysNothing) {
    const BoundPort mute(BoundPort::Kind::mute);
    for (const bool tls : {false, true}) {
        auto publish = publish_to("127.0.0.1", mute.port);
        publish.tls = tls;
        publish.timeout = Millis(60);
        const auto error = failure_of(publish);
        EXPECT_EQ(error.code, Errc::timed_out);
        EXPECT_EQ(error.text(), fmt::format("127.0.0.1 port {} took too long", mute.port));
    }
}

TEST(Mqtt, RefusesWhatCannotBePublished) {
    struct Case {
        const char* what;
        std::function<void(MqttPublish&)> spoil;
    };
    const Case cases[] = {
        {"topic is required", [](MqttPublish& p) { p.topic.clear(); }},
        {"a topic to publish to has no + and no #", [](MqttPublish& p) { p.topic = "a/+/b"; }},
        {"a topic to publish to has no + and no #", [](MqttPublish& p) { p.topic = "a/#"; }},
        {"topic above 65535 bytes", [](MqttPublish& p) { p.topic.assign(65536, 't'); }},
        {"payload above 1048576 bytes", [](MqttPublish& p) { p.payload.assign((1 << 20) + 1, 'x'); }},
        {"QoS is 0, 1 or 2", [](MqttPublish& p) { p.qos = 3; }},
        {"no host or no port", [](MqttPublish& p) { p.host.clear(); }},
    };
    for (const auto& one : cases) {
        auto publish = publish_to("broker.invalid", 1883);
        one.spoil(publish);
        const auto error = failure_of(publish);
        EXPECT_EQ(error.code, Errc::bad_input);
        EXPECT_EQ(error.text(), one.what);
    }
}

TEST(Mqtt, EndsWhenCancelled) {
    const BoundPort mute(BoundPort::Kind::mute);
    const std::atomic<bool> cancelled = true;
    const auto sent = publish_mqtt(publish_to("127.0.0.1", mute.port), cancelled);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, Errc::cancelled);
}

}  // namespace
}  // namespace weir
