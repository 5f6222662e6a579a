#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/numbers.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 5.23
namespace weir::notify {
namespace {

struct ZulipSettings {
    std::string server, authorization, stream, topic, title;
    std::vector<std::string> to;
    int direct = 0;
    std::optional<bool> read;
};

/// What the server told once of its limits, in characters.
struct ZulipLimits {
    bool known = false;
    std::size_t message = 10'000, topic = 60;
};

Options zulip_options(ZulipSettings& s) {
    return Options()
        .other("read_by_sender",
               [&s](const std::string& text) -> Result<> {
                   const auto read = parse_bool(text);
                   if (!read) return read.error();
                   s.read = *read;
                   return {};
               })
        .text("stream", s.stream)
        .text("title", s.title)
        .list("to", s.to)
        .text("topic", s.topic)
        .choice("type", s.direct, {"channel|stream", "direct|private"});
}

std::size_t characters_of(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
}

std::string_view first_of(std::string_view text, std::size_t characters) {
    std::size_t at = 0;
    for (std::size_t count = 0; at < text.size(); ++at)
        if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && ++count > characters) break;
    return text.substr(0, at);
}

class ZulipDelivery final : public Delivery {
public:
    ZulipDelivery(ZulipSettings s, std::shared_ptr<ZulipLimits> limits, Message message)
        : s_(std::move(s)), limits_(std::move(limits)), message_(std::move(message)), asks_(!limits_->known) {}

    std::optional<Call> next() override;
    void take(const Result<Reply>& reply) override;
    Result<> outcome() const override { return outcome_; }

private:
    HttpCall call(std::string_view path, std::vector<std::pair<std::string, std::string>> fields) const;
    Result<std::vector<std::pair<std::string, std::string>>> fields() const;

    ZulipSettings s_;
    std::shared_ptr<ZulipLimits> limits_;
    Message message_;
    bool asks_, ended_ = false;
    Result<> outcome_;
};

HttpCall ZulipDelivery::call(std::string_view path, std::vector<std::pair<std::string, std::string>> fields) const {
    auto out = form_call(fmt::format("{}/api/v1/{}", s_.server, path), std::move(fields));
    out.headers.emplace_back("Authorization", s_.authorization);
    return out;
}

/// The title is the topic where there is none; only what is lost of it there, or has no place at all, stands in the text.
Result<std::vector<std::pair<std::string, std::string>>> ZulipDelivery::fields() const {
    std::vector<std::pair<std::string, std::string>> out;
    auto topic = s_.topic;
    auto content = message_.text;
    if (s_.direct) {
        content = titled(message_);
        out.emplace_back("to", boost::json::serialize(boost::json::array(s_.to.begin(), s_.to.end())));
    } else {
        if (!topic.empty() || characters_of(message_.title) > limits_->topic) content = titled(message_);
        if (topic.empty()) topic = first_of(message_.title, limits_->topic);
        if (characters_of(topic) > limits_->topic)
            return unfit_for_service(fmt::format("the topic exceeds the {} characters of the server", limits_->topic));
        if (!topic.empty()) out.emplace_back("topic", topic);
        out.emplace_back("to", s_.stream);
    }
    if (characters_of(content) > limits_->message)
        return unfit_for_service(fmt::format("the message exceeds the {} characters of the server", limits_->message));
    out.emplace_back("type", s_.direct ? "direct" : "channel");
    out.emplace_back("content", content);
    if (s_.read) out.emplace_back("read_by_sender", *s_.read ? "true" : "false");
    return out;
}

std::optional<Call> ZulipDelivery::next() {
    if (ended_) return std::nullopt;
    if (asks_) return call("register", {{"fetch_event_types", "[\"realm\"]"}});
    auto told = fields();
    if (told) return call("messages", std::move(*told));
    outcome_ = within("zulip", told.error());
    ended_ = true;
    return std::nullopt;
}

void ZulipDelivery::take(const Result<Reply>& reply) {
    if (!asks_) {
        ended_ = true;
        if (reply && reply->status == 200) return;
        if (!reply) {
            outcome_ = within("zulip", reply.error());
            return;
        }
        const auto words = json_field(reply->body, "/msg");
        outcome_ = within("zulip", words && !words->empty() ? service_said(*reply, *words) : bad_status(*reply));
        return;
    }
    // A server that does not tell its limits takes the message all the same.
    asks_ = false;
    if (!reply || reply->status != 200) return;
    constexpr std::int64_t most = 1'000'000;
    const auto limit = [&](std::string_view field, std::size_t& into) {
        const auto text = json_field(reply->body, field);
        if (const auto number = text ? parse_int(*text, 1, most) : Result<std::int64_t>(Error{}); number)
            into = static_cast<std::size_t>(*number);
    };
    limit("/max_message_length", limits_->message);
    limit("/max_topic_length", limits_->topic);
    limits_->known = true;
}

Result<> check_zulip(const ZulipSettings& s) {
    if (s.direct && s.to.empty()) return unfit_for_service("option to is missing: who gets the direct message");
    if (!s.direct && s.stream.empty()) return unfit_for_service("option stream is missing");
    return {};
}

Result<std::unique_ptr<Delivery>> deliver_zulip(ZulipSettings s, std::shared_ptr<ZulipLimits> limits, Message message) {
    if (auto done = zulip_options(s).apply(message.params); !done) return done.error();
    if (auto fit = check_zulip(s); !fit) return fit.error();
    if (message.title.empty()) message.title = s.title;
    return std::unique_ptr<Delivery>(
        std::make_unique<ZulipDelivery>(std::move(s), std::move(limits), std::move(message)));
}

}  // namespace

Made make_zulip(const ServiceUrl& url) {
    ZulipSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    if (url.user.empty() || url.password.empty())
        return unfit_for_service("the bot's mail and key are needed: zulip://BOT%40MAIL:KEY@host?stream=S");
    s.server = "https://" + url.authority();
    s.authorization = basic_authorization(url.user, url.password);
    if (auto done = zulip_options(s).apply(url.query, Options::Unknown::ignored); !done) return done.error();
    if (auto fit = check_zulip(s); !fit) return fit.error();
    return service_of("zulip",
                      [s, limits = std::make_shared<ZulipLimits>()](const Message& message, const Surroundings&) {
                          return deliver_zulip(s, limits, message);
                      });
}

}  // namespace weir::notify
