#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/numbers.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"
#include "proto/notify/telegram_text.h"

// source  notify.md 5.20 and 10
namespace weir::notify {
namespace {

constexpr std::size_t max_telegram_chats = 50, max_telegram_calls = 150;

struct TelegramSettings {
    std::string token, title;
    std::vector<std::string> chats;
    bool preview = true, loud = true;
    int mode = 0;
};

Options telegram_options(TelegramSettings& s) {
    return Options()
        .list("chats|channels", s.chats)
        .flag("notification", s.loud)
        .choice("parsemode", s.mode, {"None", "Markdown", "HTML", "MarkdownV2"})
        .flag("preview", s.preview)
        .text("title", s.title);
}

bool is_telegram_token(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size()) return false;
    const auto id = text.substr(0, colon), key = text.substr(colon + 1);
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    return id.find_first_not_of("0123456789") == std::string_view::npos && std::all_of(key.begin(), key.end(), fits);
}

struct TelegramChat {
    std::string id;
    std::optional<std::int64_t> thread;
};

Result<std::vector<TelegramChat>> telegram_chats(const TelegramSettings& s) {
    std::vector<TelegramChat> out;
    for (const auto& text : s.chats) {
        const auto colon = std::min(text.find(':'), text.size());
        TelegramChat chat{text.substr(0, colon), {}};
        if (colon < text.size()) {
            const auto thread = parse_int(std::string_view(text).substr(colon + 1));
            if (!thread)
                return unfit_for_service(fmt::format("chat {}: after the colon stands no number", out.size() + 1));
            chat.thread = *thread;
        }
        if (chat.id.empty()) return unfit_for_service(fmt::format("chat {} is empty", out.size() + 1));
        out.push_back(std::move(chat));
    }
    if (out.empty()) return unfit_for_service("no chat; they stand as ?chats=@channel,-100123");
    if (out.size() > max_telegram_chats)
        return unfit_for_service(fmt::format("more than {} chats", max_telegram_chats));
    return out;
}

Result<> judge_telegram(const Reply& reply) {
    if (json_field(reply.body, "/ok") == "true") return {};
    const auto words = json_field(reply.body, "/description");
    return words && !words->empty() ? service_said(reply, *words) : bad_status(reply);
}

std::string telegram_body(const TelegramSettings& s, const TelegramChat& chat, const std::string& text,
                          std::string_view mode) {
    boost::json::object body;
    body["text"] = text;
    body["chat_id"] = chat.id;
    if (chat.thread) body["message_thread_id"] = *chat.thread;
    if (!mode.empty()) body["parse_mode"] = mode;
    body["disable_web_page_preview"] = !s.preview;
    body["disable_notification"] = !s.loud;
    body["reply_to_message_id"] = 0;
    return boost::json::serialize(body);
}

Result<std::unique_ptr<Delivery>> deliver_telegram(TelegramSettings s, const Message& message) {
    if (auto done = telegram_options(s).apply(message.params); !done) return done.error();
    const auto chats = telegram_chats(s);
    if (!chats) return chats.error();
    constexpr std::string_view modes[] = {"", "Markdown", "HTML", "MarkdownV2"};
    const auto mode = static_cast<TelegramMode>(s.mode);
    const auto& title = message.title.empty() ? s.title : message.title;
    const bool headed = !message.title_in_text && (!title.empty() || mode == TelegramMode::html);
    // A bold title needs HTML: a text that is none is escaped then.
    const bool escape = headed && mode == TelegramMode::none;
    const auto head = headed ? telegram_headline(title, mode) : std::string();
    const auto most = std::min<std::size_t>(10, max_telegram_calls / chats->size());
    const auto pieces = telegram_pieces(head, message.text, escape, most);
    std::vector<Call> calls;
    for (const auto& chat : *chats)
        for (const auto& piece : pieces)
            calls.emplace_back(json_call(fmt::format("https://api.telegram.org/bot{}/sendMessage", s.token),
                                         telegram_body(s, chat, piece, escape ? "HTML" : modes[s.mode])));
    return known_calls("telegram", std::move(calls), judge_telegram);
}

}  // namespace

Made make_telegram(const ServiceUrl& url) {
    TelegramSettings s;
    s.token = fmt::format("{}:{}", url.user, url.password);
    if (!is_telegram_token(s.token))
        return unfit_for_service("no token of a bot; it stands as telegram://123456:TOKEN@telegram?chats=@channel");
    if (auto done = telegram_options(s).apply(url.query); !done) return done.error();
    if (const auto chats = telegram_chats(s); !chats) return chats.error();
    return service_of("telegram",
                      [s](const Message& message, const Surroundings&) { return deliver_telegram(s, message); });
}

}  // namespace weir::notify
