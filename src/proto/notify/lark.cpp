#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.7
namespace weir::notify {
namespace {

constexpr std::size_t max_lark = 4096;

struct LarkSettings {
    std::string host, token, secret, title, link;
};

Options lark_options(LarkSettings& s) {
    return Options().text("link", s.link).text("secret", s.secret).text("title", s.title);
}

std::string lark_signature(const std::string& timestamp, const std::string& secret) {
    const auto key = fmt::format("{}\n{}", timestamp, secret);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(""), 0, mac,
         &size);
    return base64({reinterpret_cast<const char*>(mac), size});
}

boost::json::object lark_body(const LarkSettings& s, const std::string& text, const std::string& title) {
    namespace json = boost::json;
    if (title.empty()) return {{"msg_type", "text"}, {"content", json::object{{"text", text}}}};
    json::array rows;
    rows.push_back(json::array(1, json::object{{"tag", "text"}, {"text", text}}));
    if (!s.link.empty())
        rows.push_back(json::array(1, json::object{{"tag", "a"}, {"text", "More Info"}, {"href", s.link}}));
    json::object post{{"title", title}, {"content", std::move(rows)}};
    json::object content{{"post", json::object{{"en_us", std::move(post)}}}};
    return {{"msg_type", "post"}, {"content", std::move(content)}};
}

Result<> judge_lark(const Reply& reply) {
    const auto code = json_field(reply.body, "/code");
    if (reply.status == 200 && code == "0") return {};
    if (const auto words = json_field(reply.body, "/msg"); words && code)
        return service_said(reply, fmt::format("{} ({})", *words, *code));
    if (reply.status != 200) return bad_status(reply);
    return service_said(reply, "the answer does not say that it was taken");
}

Result<std::unique_ptr<Delivery>> deliver_lark(LarkSettings s, const Message& message, const Surroundings& around) {
    if (auto done = lark_options(s).apply(message.params); !done) return done.error();
    if (message.text.size() > max_lark)
        return unfit_for_service(fmt::format("the message is longer than {} bytes", max_lark));
    auto body = lark_body(s, message.text, message.title.empty() ? s.title : message.title);
    if (!s.secret.empty()) {
        const auto timestamp = std::to_string(unix_millis(around.now) / 1000);
        body["timestamp"] = timestamp;
        body["sign"] = lark_signature(timestamp, s.secret);
    }
    auto call = json_call(fmt::format("https://{}/open-apis/bot/v2/hook/{}", s.host, percent_encoded(s.token)),
                          boost::json::serialize(body));
    return known_call("lark", std::move(call), judge_lark);
}

}  // namespace

Made make_lark(const ServiceUrl& url) {
    LarkSettings s;
    s.host = ascii_lowered(url.host);
    if ((s.host != "open.larksuite.com" && s.host != "open.feishu.cn") || url.port)
        return unfit_for_service("the host may be open.larksuite.com or open.feishu.cn");
    const auto path = url.segments();
    if (path.size() != 1) return unfit_for_service("the path is the token and nothing else");
    s.token = path.front();
    if (auto done = lark_options(s).apply(url.query); !done) return done.error();
    return service_of(
        "lark", [s](const Message& message, const Surroundings& around) { return deliver_lark(s, message, around); });
}

}  // namespace weir::notify
