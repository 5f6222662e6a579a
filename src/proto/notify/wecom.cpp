#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.22; a title has no place there: it stands before the text (4)
namespace weir::notify {
namespace {

constexpr std::size_t max_wecom_text = 4096;

struct WecomSettings {
    std::string key;
    std::vector<std::string> people, phones;
};

Options wecom_options(WecomSettings& s) {
    return Options().text("key", s.key).list("mentioned_list", s.people).list("mentioned_mobile_list", s.phones);
}

Result<> judge_wecom(const Reply& reply) {
    if (reply.status != 200) return bad_status(reply);
    const auto code = json_field(reply.body, "/errcode");
    if (code == "0") return {};
    const auto words = json_field(reply.body, "/errmsg");
    return service_said(reply, fmt::format("{} ({})", words.value_or("the answer does not say that it was taken"),
                                           code.value_or("no errcode")));
}

Result<std::unique_ptr<Delivery>> deliver_wecom(WecomSettings s, const Message& message) {
    if (auto done = wecom_options(s).apply(message.params); !done) return done.error();
    const auto content = titled(message);
    if (content.size() > max_wecom_text)
        return unfit_for_service(fmt::format("the message exceeds the {} bytes wecom takes", max_wecom_text));
    boost::json::object text;
    text["content"] = content;
    if (!s.people.empty()) text["mentioned_list"] = boost::json::array(s.people.begin(), s.people.end());
    if (!s.phones.empty()) text["mentioned_mobile_list"] = boost::json::array(s.phones.begin(), s.phones.end());
    boost::json::object body;
    body["msgtype"] = "text";
    body["text"] = std::move(text);
    return known_call("wecom",
                      json_call("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + percent_encoded(s.key),
                                boost::json::serialize(body)),
                      judge_wecom);
}

}  // namespace

Made make_wecom(const ServiceUrl& url) {
    WecomSettings s;
    s.key = url.host;
    if (auto done = wecom_options(s).apply(url.query); !done) return done.error();
    if (s.key.empty()) return unfit_for_service("no key; it stands as wecom://KEY");
    return service_of("wecom", [s](const Message& message, const Surroundings&) { return deliver_wecom(s, message); });
}

}  // namespace weir::notify
