#include "io/mqtt.h"

#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/text.h"
#include "io/tls_context.h"

namespace weir {
namespace {

constexpr std::size_t max_payload = 1 << 20, max_topic = 65535;
constexpr int keep_alive_seconds = 20, first_failure = 0x80;
constexpr Millis look_every{50};  ///< how long a cancellation may go unseen

/// One connection, driven from outside: libmosquitto's own loop uses select(), which ends at descriptor 1023.
/// Addresses are tried one after the other, since libmosquitto does not when it must not block; it is told a numeric one, and TLS
/// learns the name from us.
class MqttSession {
public:
    MqttSession(const MqttPublish& publish, const std::atomic<bool>& cancelled)
        : plan_(publish), cancelled_(cancelled), deadline_(std::chrono::steady_clock::now() + publish.timeout) {}
    MqttSession(const MqttSession&) = delete;
    MqttSession& operator=(const MqttSession&) = delete;

    Result<> run();

private:
    struct ContextFree {
        void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
    };
    struct ClientFree {
        void operator()(mosquitto* client) const noexcept { mosquitto_destroy(client); }
    };

    Result<std::vector<std::string>> addresses() const;
    Result<> make_tls();
    Result<> make_client();
    Result<> connect(const std::string& address, SteadyTime until);
    Result<> wait_connected(SteadyTime until);
    Result<> handshake_and_publish();
    template <class Done>
    Result<> drive(Done done);
    Result<short> wait(short events, SteadyTime until) const;
    Error gone(int code, int os_error) const;
    Error refused(std::string_view step, int reason) const;
    Error unreachable(std::string_view why) const;
    static MqttSession& of(const SSL* ssl);
    static void on_tls(const SSL* ssl, int where, int result);

    const MqttPublish& plan_;
    const std::atomic<bool>& cancelled_;
    SteadyTime deadline_;
    std::unique_ptr<SSL_CTX, ContextFree> tls_;
    bool tls_done_ = false;
    int early_failure_ = 0;  ///< errno of the connecting
    std::string tls_error_;
    std::optional<int> connected_, published_, left_;  ///< the reason codes of CONNACK, PUBACK or PUBCOMP, DISCONNECT
    std::unique_ptr<mosquitto, ClientFree> client_;    ///< last: what it calls back to outlives it
};

void begin_library() {
    static std::once_flag once;
    std::call_once(once, [] { mosquitto_lib_init(); });
}

Error MqttSession::unreachable(std::string_view why) const {
    return {Errc::unreachable, fmt::format("cannot connect to {} port {}: {}", plan_.host, plan_.port, why)};
}

std::string lowered(std::string text) {
    if (!text.empty()) text[0] = ascii_lower(text[0]);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

Error MqttSession::refused(std::string_view step, int reason) const {
    const bool later = reason == MQTT_RC_SERVER_UNAVAILABLE || reason == MQTT_RC_SERVER_BUSY ||
                       reason == MQTT_RC_SERVER_SHUTTING_DOWN || reason == MQTT_RC_MESSAGE_RATE_TOO_HIGH ||
                       reason == MQTT_RC_QUOTA_EXCEEDED || reason == MQTT_RC_CONNECTION_RATE_EXCEEDED;
    return {later ? Errc::busy : Errc::denied,
            fmt::format("MQTT {} failed: reason code 0x{:02x} - {}", step, reason, mosquitto_reason_string(reason))};
}

Error MqttSession::gone(int code, int os_error) const {
    if (!tls_error_.empty())
        return {Errc::unreachable, fmt::format("tls handshake with {} failed: {}", plan_.host, tls_error_)};
    if (code == MOSQ_ERR_TLS) return {Errc::unreachable, fmt::format("tls handshake with {} failed", plan_.host)};
    if (code == MOSQ_ERR_ERRNO && os_error)
        return {Errc::lost_peer, fmt::format("{}: {}", plan_.host, lowered(std::strerror(os_error)))};
    if (code == MOSQ_ERR_PROTOCOL) return {Errc::bad_input, fmt::format("{} does not speak MQTT 5", plan_.host)};
    if (code == MOSQ_ERR_QOS_NOT_SUPPORTED || code == MOSQ_ERR_OVERSIZE_PACKET || code == MOSQ_ERR_INVAL ||
        code == MOSQ_ERR_MALFORMED_UTF8)
        return {Errc::bad_input, fmt::format("MQTT publish failed: {}", lowered(mosquitto_strerror(code)))};
    return {Errc::lost_peer, fmt::format("{} closed the connection", plan_.host)};
}

MqttSession& MqttSession::of(const SSL* ssl) {
    return *static_cast<MqttSession*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

void MqttSession::on_tls(const SSL* ssl, int where, int result) {
    auto& self = of(ssl);
    if (where & SSL_CB_HANDSHAKE_START) {
        // libmosquitto named the address it was given; SNI is for names alone.
        const auto& host = self.plan_.host;
        const bool address =
            host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
        SSL_set_tlsext_host_name(const_cast<SSL*>(ssl), address ? nullptr : const_cast<char*>(host.c_str()));
    }
    if (where & SSL_CB_HANDSHAKE_DONE) self.tls_done_ = true;
    if ((where & SSL_CB_ALERT) && !self.tls_done_ && self.tls_error_.empty()) {
        const auto verdict = SSL_get_verify_result(ssl);
        self.tls_error_ = verdict != X509_V_OK
                              ? fmt::format("certificate is not trusted: {}; set SSL_CERT_FILE to add your own CA",
                                            X509_verify_cert_error_string(verdict))
                              : fmt::format("alert: {}", SSL_alert_desc_string_long(result));
    }
}

Result<> MqttSession::make_tls() {
    tls_.reset(SSL_CTX_new(TLS_client_method()));
    if (!tls_) return Error{Errc::internal, "openssl gave no context"};
    SSL_CTX_set_min_proto_version(tls_.get(), TLS1_2_VERSION);
    SSL_CTX_set_app_data(tls_.get(), this);
    SSL_CTX_set_info_callback(tls_.get(), &MqttSession::on_tls);
    SSL_CTX_set_verify(tls_.get(), plan_.verify_tls ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (!plan_.verify_tls) return {};
    auto trusted = net::client_context({});
    if (!trusted) return trusted.error();
    SSL_CTX_set1_cert_store(tls_.get(), SSL_CTX_get_cert_store(trusted->get()));
    auto* const rule = SSL_CTX_get0_param(tls_.get());
    X509_VERIFY_PARAM_set_hostflags(rule, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(rule, plan_.host.c_str()) != 1 &&
        X509_VERIFY_PARAM_set1_host(rule, plan_.host.data(), plan_.host.size()) != 1)
        return Error{Errc::bad_input, "no name a certificate could be for"};
    return {};
}

Result<> MqttSession::make_client() {
    client_.reset(mosquitto_new(plan_.client_id.empty() ? nullptr : plan_.client_id.c_str(), plan_.clean, this));
    auto* const client = client_.get();
    if (!client) return Error{Errc::bad_input, "the client id cannot be used"};
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    if (!plan_.user.empty() &&
        mosquitto_username_pw_set(client, plan_.user.c_str(),
                                  plan_.password.empty() ? nullptr : plan_.password.reveal().c_str()) != 0)
        return Error{Errc::bad_input, "the user cannot be used"};
    if (tls_) {
        mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
        mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, tls_.get());
    }
    mosquitto_connect_v5_callback_set(client, [](mosquitto*, void* self, int reason, int, const mosquitto_property*) {
        static_cast<MqttSession*>(self)->connected_ = reason;
    });
    mosquitto_publish_v5_callback_set(client, [](mosquitto*, void* self, int, int reason, const mosquitto_property*) {
        static_cast<MqttSession*>(self)->published_ = reason;
    });
    mosquitto_disconnect_v5_callback_set(client, [](mosquitto*, void* self, int reason, const mosquitto_property*) {
        static_cast<MqttSession*>(self)->left_ = reason;
    });
    return {};
}

Result<std::vector<std::string>> MqttSession::addresses() const {
    if (!plan_.addresses.empty()) return plan_.addresses;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int code = getaddrinfo(plan_.host.c_str(), nullptr, &hints, &found); code != 0)
        return Error{Errc::unreachable, fmt::format("cannot resolve {}: {}", plan_.host, lowered(gai_strerror(code)))};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    std::vector<std::string> out;
    for (const auto* one = found; one && out.size() < 8; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            out.emplace_back(text);
    }
    if (out.empty()) return Error{Errc::unreachable, fmt::format("cannot resolve {}", plan_.host)};
    return out;
}

/// What happened on the socket; 0 when nothing did for a while.
Result<short> MqttSession::wait(short events, SteadyTime until) const {
    if (cancelled_) return Error{Errc::cancelled, "cancelled"};
    const auto left = std::chrono::ceil<Millis>(until - std::chrono::steady_clock::now());
    if (left <= Millis(0))
        return Error{Errc::timed_out, fmt::format("{} port {} took too long", plan_.host, plan_.port)};
    pollfd socket{mosquitto_socket(client_.get()), events, 0};
    if (poll(&socket, 1, static_cast<int>(std::min(left, look_every).count())) < 0 && errno != EINTR)
        return from_errno(errno, "poll");
    return socket.revents;
}

Result<> MqttSession::wait_connected(SteadyTime until) {
    while (true) {
        const auto ready = wait(POLLOUT, until);
        if (!ready) return ready.error();
        if (!*ready) continue;
        int failure = 0;
        socklen_t size = sizeof failure;
        getsockopt(mosquitto_socket(client_.get()), SOL_SOCKET, SO_ERROR, &failure, &size);
        // TLS wrote before there was a connection, and may have taken the failure for itself.
        sockaddr_storage peer{};
        size = sizeof peer;
        if (!failure && getpeername(mosquitto_socket(client_.get()), reinterpret_cast<sockaddr*>(&peer), &size) != 0)
            failure = early_failure_ ? early_failure_ : ECONNREFUSED;
        if (failure) return unreachable(lowered(std::strerror(failure)));
        return {};
    }
}

Result<> MqttSession::connect(const std::string& address, SteadyTime until) {
    tls_done_ = false;
    tls_error_.clear();
    if (auto made = make_client(); !made) return made;
    errno = 0;
    const int code =
        mosquitto_connect_bind_async(client_.get(), address.c_str(), plan_.port, keep_alive_seconds, nullptr);
    const int os_error = errno;
    if (code == MOSQ_ERR_TLS) return gone(code, 0);
    if (code != MOSQ_ERR_SUCCESS)
        return unreachable(code == MOSQ_ERR_ERRNO && os_error ? lowered(std::strerror(os_error))
                                                              : lowered(mosquitto_strerror(code)));
    early_failure_ = os_error == EAGAIN || os_error == EINPROGRESS || os_error == ENOTCONN ? 0 : os_error;
    const int socket = mosquitto_socket(client_.get());
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    return wait_connected(until);
}

/// Moves bytes until `done` says so.
template <class Done>
Result<> MqttSession::drive(Done done) {
    auto* const client = client_.get();
    while (!done()) {
        if (left_ || mosquitto_socket(client) < 0) return gone(MOSQ_ERR_CONN_LOST, 0);
        // While TLS shakes hands libmosquitto may ask to write without end.
        const bool may_write = !tls_ || tls_done_;
        const auto ready = wait(may_write && mosquitto_want_write(client) ? POLLIN | POLLOUT : POLLIN, deadline_);
        if (!ready) return ready.error();
        errno = 0;
        int code = MOSQ_ERR_SUCCESS;
        if (!may_write || (*ready & (POLLIN | POLLHUP | POLLERR))) code = mosquitto_loop_read(client, 1);
        if (code == MOSQ_ERR_SUCCESS && mosquitto_socket(client) >= 0 && mosquitto_want_write(client) &&
            (!tls_ || tls_done_))
            code = mosquitto_loop_write(client, 1);
        const int os_error = errno;
        // libmosquitto takes a connection that broke within the handshake for one that is slow.
        if (!may_write && !tls_done_ && code == MOSQ_ERR_SUCCESS && (*ready & (POLLHUP | POLLERR)))
            return gone(MOSQ_ERR_CONN_LOST, 0);
        if (connected_ && *connected_ >= first_failure) return refused("connect", *connected_);
        if (left_ && *left_ >= first_failure) return refused("publish", *left_);
        if (code != MOSQ_ERR_SUCCESS && !done()) return gone(code, os_error);
    }
    return {};
}

Result<> MqttSession::handshake_and_publish() {
    auto* const client = client_.get();
    if (auto r = drive([&] { return connected_.has_value(); }); !r) return r;
    if (const int code =
            mosquitto_publish_v5(client, nullptr, plan_.topic.c_str(), static_cast<int>(plan_.payload.size()),
                                 plan_.payload.data(), plan_.qos, plan_.retain, nullptr);
        code != MOSQ_ERR_SUCCESS)
        return gone(code, errno);
    if (auto r = drive([&] { return published_.has_value(); }); !r) return r;
    if (*published_ >= first_failure) return refused("publish", *published_);
    // The message is safe; a peer that leaves before our DISCONNECT takes nothing with it.
    if (mosquitto_disconnect_v5(client, 0, nullptr) == MOSQ_ERR_SUCCESS)
        (void)drive([&] { return left_.has_value() || mosquitto_socket(client) < 0; });
    return {};
}

Result<> MqttSession::run() {
    begin_library();
    if (plan_.tls)
        if (auto made = make_tls(); !made) return made;
    const auto known = addresses();
    if (!known) return known.error();
    Result<> last;
    for (std::size_t i = 0; i < known->size(); ++i) {
        const auto now = std::chrono::steady_clock::now();
        const auto share = (deadline_ - now) / static_cast<int>(known->size() - i);
        last = connect((*known)[i], now + share);
        if (last) return handshake_and_publish();
        if (last.error().code == Errc::cancelled || last.error().code == Errc::bad_input) break;
    }
    return last;
}

}  // namespace

Result<> publish_mqtt(const MqttPublish& publish, const std::atomic<bool>& cancelled) {
    const auto unfit = [](std::string what) { return Error{Errc::bad_input, std::move(what)}; };
    if (publish.host.empty() || publish.port == 0) return unfit("no host or no port");
    if (publish.host.find('\0') != std::string::npos) return unfit("the host has a zero byte");
    if (publish.topic.empty()) return unfit("topic is required");
    if (publish.topic.size() > max_topic) return unfit(fmt::format("topic above {} bytes", max_topic));
    if (publish.topic.find_first_of(std::string_view("+#\0", 3)) != std::string::npos)
        return unfit("a topic to publish to has no + and no #");
    if (publish.payload.size() > max_payload) return unfit(fmt::format("payload above {} bytes", max_payload));
    if (publish.qos < 0 || publish.qos > 2) return unfit("QoS is 0, 1 or 2");
    return MqttSession(publish, cancelled).run();
}

}  // namespace weir
