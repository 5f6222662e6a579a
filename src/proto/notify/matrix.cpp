#include <openssl/sha.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.8
namespace weir::notify {
namespace {

constexpr std::size_t max_matrix_rooms = 50, max_matrix_text = 48 * 1024;

struct MatrixSettings {
    std::string server, user, device, title;
    Secret password;
    std::vector<std::string> rooms;
    bool clear = false;
};

/// What lasts from one message to the next.
struct MatrixLogin {
    Secret token;
};

Options matrix_options(MatrixSettings& s) {
    return Options().flag("disableTLS", s.clear).list("rooms|room", s.rooms).text("title", s.title);
}

/// Always the same for one account and server, so that logins do not pile up devices.
std::string matrix_device(const std::string& user, const ServiceUrl& url) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    ServiceUrl where = url;
    if (where.port == 80 || where.port == 443) where.port.reset();
    const auto account = fmt::format("{}:{}", user, where.authority());
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(account.data()), account.size(), hash);
    std::string out = "SH";
    for (std::size_t i = 0; i < 8; ++i) out += letters[hash[i] % letters.size()];
    return out;
}

std::string matrix_segment(std::string_view text) {
    auto out = percent_encoded(text);
    replace_all(out, "%3A", ":");
    return out;
}

Error matrix_said(const Reply& reply) {
    const auto words = json_field(reply.body, "/error");
    return words && !words->empty() ? service_said(reply, *words) : bad_status(reply);
}

bool matrix_took(const Reply& reply) {
    return reply.status >= 200 && reply.status < 300;
}

class MatrixDelivery final : public Delivery {
public:
    MatrixDelivery(MatrixSettings s, std::shared_ptr<MatrixLogin> login, std::string text, const Surroundings& around)
        : s_(std::move(s)), login_(std::move(login)), around_(around) {
        boost::json::object body;
        body["msgtype"] = "m.text";
        body["body"] = std::move(text);
        body_ = boost::json::serialize(body);
        if (!s_.rooms.empty()) enter(std::move(s_.rooms));
    }

    std::optional<Call> next() override;
    void take(const Result<Reply>& reply) override;
    Result<> outcome() const override { return outcome_; }

private:
    struct Room {
        std::string name, transaction;
    };
    void enter(std::vector<std::string> names);
    void take_login(const Reply& reply);
    void take_rooms(const Reply& reply);
    void take_room(const Reply& reply);
    void failed(Error e, bool all);
    bool logs_in_again(const Reply& reply);
    HttpCall call(std::string method, std::string_view path, std::string body) const;

    MatrixSettings s_;
    std::shared_ptr<MatrixLogin> login_;
    Surroundings around_;
    std::string body_;
    std::optional<std::vector<Room>> rooms_;
    std::size_t at_ = 0;
    bool knows_flows_ = false, again_ = false, ended_ = false;
    Result<> outcome_;
};

/// A transaction keeps its name when it is tried again, so that the server shows it once.
void MatrixDelivery::enter(std::vector<std::string> names) {
    const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(around_.now.time_since_epoch()).count();
    rooms_.emplace();
    for (auto& name : names) {
        if (!name.starts_with('#') && !name.starts_with('!')) name.insert(0, "#");
        auto transaction = fmt::format("{}-", now);
        for (const char c : around_.random_bytes(8))
            transaction += fmt::format("{:02x}", static_cast<unsigned char>(c));
        rooms_->push_back({std::move(name), std::move(transaction)});
    }
}

HttpCall MatrixDelivery::call(std::string method, std::string_view path, std::string body) const {
    HttpCall out{.method = std::move(method), .url = fmt::format("{}/_matrix/client/v3/{}", s_.server, path)};
    if (!login_->token.empty())
        out.headers.emplace_back("Authorization", "Bearer " + header_value(login_->token.reveal()));
    if (!body.empty()) out.headers.emplace_back("Content-Type", "application/json");
    out.body = std::move(body);
    return out;
}

std::optional<Call> MatrixDelivery::next() {
    if (ended_) return std::nullopt;
    if (login_->token.empty()) {
        if (!knows_flows_) return call("GET", "login", {});
        boost::json::object body, who;
        who["type"] = "m.id.user";
        who["user"] = s_.user;
        body["type"] = "m.login.password";
        body["identifier"] = std::move(who);
        body["password"] = s_.password.reveal();
        body["device_id"] = s_.device;
        return call("POST", "login", boost::json::serialize(body));
    }
    if (!rooms_) return call("GET", "joined_rooms", {});
    if (at_ == rooms_->size()) return std::nullopt;
    const auto& room = (*rooms_)[at_];
    if (room.name.starts_with('#')) return call("POST", "join/" + matrix_segment(room.name), "{}");
    return call("PUT", fmt::format("rooms/{}/send/m.room.message/{}", matrix_segment(room.name), room.transaction),
                body_);
}

void MatrixDelivery::take(const Result<Reply>& reply) {
    const bool in_rooms = !login_->token.empty() && rooms_;
    if (!reply) return failed(reply.error(), !in_rooms);
    if (login_->token.empty()) return take_login(*reply);
    if (logs_in_again(*reply)) return;
    return rooms_ ? take_room(*reply) : take_rooms(*reply);
}

/// All of it failed, or only this room.
void MatrixDelivery::failed(Error e, bool all) {
    if (outcome_) outcome_ = within("matrix", std::move(e));
    if (all)
        ended_ = true;
    else
        ++at_;
}

bool MatrixDelivery::logs_in_again(const Reply& reply) {
    if (matrix_took(reply) || s_.user.empty() || again_) return false;
    if (json_field(reply.body, "/errcode") != "M_UNKNOWN_TOKEN") return false;
    login_->token = Secret();
    knows_flows_ = false;
    return again_ = true;
}

void MatrixDelivery::take_login(const Reply& reply) {
    if (!matrix_took(reply)) return failed(matrix_said(reply), true);
    if (knows_flows_) {
        auto token = json_field(reply.body, "/access_token");
        if (!token || token->empty()) return failed(unfit_for_service("the login gave no token"), true);
        login_->token = Secret(std::move(*token));
        return;
    }
    constexpr int max_flows = 20;
    for (int i = 0; i < max_flows && !knows_flows_; ++i)
        knows_flows_ = json_field(reply.body, fmt::format("/flows/{}/type", i)) == "m.login.password";
    if (!knows_flows_) failed(unfit_for_service("the server takes no login with a password"), true);
}

void MatrixDelivery::take_rooms(const Reply& reply) {
    if (!matrix_took(reply)) return failed(matrix_said(reply), true);
    std::vector<std::string> names;
    boost::json::error_code wrong;
    const auto root = boost::json::parse(reply.body, wrong);
    const auto* list = !wrong && root.is_object() ? root.as_object().if_contains("joined_rooms") : nullptr;
    if (list && list->is_array())
        for (const auto& one : list->as_array())
            if (one.is_string() && names.size() < max_matrix_rooms) names.emplace_back(one.as_string());
    if (names.empty()) return failed(unfit_for_service("the user has joined no room"), true);
    enter(std::move(names));
}

void MatrixDelivery::take_room(const Reply& reply) {
    if (!matrix_took(reply)) return failed(matrix_said(reply), false);
    auto& room = (*rooms_)[at_];
    if (!room.name.starts_with('#')) {
        ++at_;
        return;
    }
    auto id = json_field(reply.body, "/room_id");
    if (!id || id->empty() || id->starts_with('#'))
        return failed(unfit_for_service("the server joined a room and did not say which"), false);
    room.name = std::move(*id);
}

Result<> check_matrix_rooms(const std::vector<std::string>& rooms) {
    if (rooms.size() > max_matrix_rooms) return unfit_for_service(fmt::format("more than {} rooms", max_matrix_rooms));
    if (std::find(rooms.begin(), rooms.end(), "") != rooms.end()) return unfit_for_service("a room has no name");
    return {};
}

Result<std::unique_ptr<Delivery>> deliver_matrix(MatrixSettings s, std::shared_ptr<MatrixLogin> login,
                                                 const Message& message, const Surroundings& around) {
    if (auto done = matrix_options(s).apply(message.params); !done) return done.error();
    if (auto fit = check_matrix_rooms(s.rooms); !fit) return fit.error();
    Message told = message;
    if (told.title.empty()) told.title = s.title;
    auto text = titled(told);
    if (text.size() > max_matrix_text) text = cut_bytes(text, max_matrix_text) + " [...]";
    return std::unique_ptr<Delivery>(
        std::make_unique<MatrixDelivery>(std::move(s), std::move(login), std::move(text), around));
}

}  // namespace

Made make_matrix(const ServiceUrl& url) {
    MatrixSettings s;
    auto login = std::make_shared<MatrixLogin>();
    if (url.host.empty()) return unfit_for_service("no host");
    if (url.password.empty()) return unfit_for_service("matrix://USER:PASSWORD@host or matrix://:TOKEN@host is needed");
    s.user = url.user;
    if (s.user.empty())
        login->token = Secret(url.password);
    else
        s.password = Secret(url.password);
    s.device = matrix_device(s.user, url);
    if (auto done = matrix_options(s).apply(url.query); !done) return done.error();
    if (auto fit = check_matrix_rooms(s.rooms); !fit) return fit.error();
    s.server = fmt::format("{}://{}", s.clear ? "http" : "https", url.authority());
    return service_of("matrix", [s, login](const Message& message, const Surroundings& around) {
        return deliver_matrix(s, login, message, around);
    });
}

}  // namespace weir::notify
