#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "base/time.h"

/// Notification services under shoutrrr's URLs: what is to be sent for one message, and what the answers mean. Nothing here opens a
/// connection. Facts: protocols/notify.md.
namespace weir::notify {

/// What is to be told.
struct Message {
    std::string title = {};  ///< empty: none. Where a service has no place for it, it stands before the text
    std::string text = {};   ///< UTF-8
    std::optional<int> priority =
        {};                      ///< 0 (least) to 10, mapped to the service's own scale (11) unless its URL sets one
    bool title_in_text = false;  ///< the text has the title already: it is not put before it again
    std::vector<std::pair<std::string, std::string>> params =
        {};  ///< as options of the URL, for this message alone; strict
};

struct HttpCall {
    std::string method = "POST", url;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
    bool verify_tls = true;
};
/// One SMTP transaction (6); the connection may be kept for the next of the same delivery.
struct MailCall {
    enum class Auth : std::uint8_t { none, plain, login, cram_md5, oauth2 };
    enum class Tls : std::uint8_t { never, if_offered, required, implicit };
    std::string host, user, client_host, from, to;
    Secret password;
    std::uint16_t port = 25;
    Auth auth = Auth::none;
    Tls tls = Tls::if_offered;
    bool verify_tls = true;
    std::string message;  ///< header and body with CRLF, dots not doubled
    Millis timeout{10'000};
};
/// One MQTT 5 PUBLISH (7).
struct MqttCall {
    std::string host, user, client_id, topic, payload;
    Secret password;
    std::uint16_t port = 1883;
    bool tls = false, verify_tls = true, retain = false, clean = true;
    int qos = 0;
};
struct LogCall {
    std::string title, text;
};
using Call = std::variant<HttpCall, MailCall, MqttCall, LogCall>;

/// What came back. Of mail, MQTT and log calls: 200, or an Error instead.
struct Reply {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers = {};  ///< names in lower case
    std::string body = {};
};

/// One message on its way through one service: calls are made one after the other, in order.
///
///     while (auto call = delivery->next()) delivery->take(co_await make(*call));
///     return delivery->outcome();
///
/// take() gets the last word on a call: who makes it has retried what is worth it (429, 5xx, connection trouble).
class Delivery {
public:
    virtual ~Delivery() = default;
    [[nodiscard]] virtual std::optional<Call> next() = 0;
    virtual void take(const Result<Reply>& reply) = 0;
    /// After the last call: the first failure, in the service's own words where it said any. No secrets: texts come from the server
    /// or are ours.
    [[nodiscard]] virtual Result<> outcome() const = 0;
};

/// What is not the same in each run: tests give their own.
struct Surroundings {
    WallTime now;
    std::function<std::string(std::size_t)> random_bytes;
    std::string host_name = {};
};

/// A service as its URL set it up.
/// threads  one owner
class Service {
public:
    virtual ~Service() = default;
    [[nodiscard]] virtual std::string_view scheme() const noexcept = 0;  ///< as written in errors: "gotify"
    /// Errors: bad_input: this message cannot be sent there (too long, empty, a param it does not know).
    [[nodiscard]] virtual Result<std::unique_ptr<Delivery>> deliver(const Message& message,
                                                                    const Surroundings& around) = 0;
};

/// Errors: bad_input: `unknown service: "foo"`, or "gotify: " and what is wrong; never a secret of the URL.
/// limits  of the URL: 8 KiB; of a message: 64 KiB of text and 1 KiB of title, beyond that cut with " [...]";
/// of one message's delivery: 200 calls
[[nodiscard]] Result<std::unique_ptr<Service>> make_service(std::string_view url);

/// The schemes there are, sorted: for help and errors.
[[nodiscard]] std::vector<std::string_view> service_schemes();

}  // namespace weir::notify
