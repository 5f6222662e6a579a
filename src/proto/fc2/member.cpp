#include "proto/fc2/member.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "proto/fc2/json_tree.h"
#include "proto/fc2/member_shape.h"
#include "proto/jwt/jwt.h"

namespace weir::fc2 {
namespace {

constexpr std::size_t longest_said = 200, longest_id = 20, longest_user_name = 256;

Error unreadable(std::string what) {
    return Error{Errc::bad_input, std::move(what)};
}

/// " (MSG)", fit for a line.
std::string said_in(const Json& answer) {
    const auto msg = text_in(answer.find("msg"));
    if (!msg || msg->empty()) return {};
    std::string out = " (";
    append_printable(out, std::string_view(*msg).substr(0, longest_said));
    return out + ')';
}

std::string text_at(const Json& object, std::string_view name) {
    return text_in(object.find(name)).value_or("");
}

std::int64_t integer_at(const Json& object, std::string_view name) {
    return integer_in(object.find(name)).value_or(0);
}

Result<Json> answer_in(std::string_view text) {
    auto answer = parse_json_tree(text);
    if (answer && !answer->is(Json::Kind::object))
        return unreadable(fmt::format("the answer: {} where an object was expected", name_of(answer->kind)));
    return answer;
}

/// FC2-5: another status than 1 is an error of the site's; one that cannot be read says nothing about the rest.
Result<> check_status(const Json& answer, std::vector<std::string>& drifts) {
    const auto* found = answer.find("status");
    const auto status = integer_in(found);
    if (status && *status != 1) return unreadable(fmt::format("status: {}{}", *status, said_in(answer)));
    if (!found)
        drifts.emplace_back("status: missing");
    else if (!found->is(Json::Kind::number))
        drifts.push_back(fmt::format("status: {} where a number was expected", name_of(found->kind)));
    return {};
}

/// FC2-7: the only test for liveness, so it is never guessed.
Result<bool> is_published(const Json& channel) {
    const auto* found = channel.find("is_publish");
    if (!found || found->is(Json::Kind::null)) return unreadable("data.channel_data.is_publish: missing");
    if (const auto value = integer_in(found)) return *value > 0;
    std::string what = fmt::format("data.channel_data.is_publish: {}", name_of(found->kind));
    if (found->is(Json::Kind::text)) append_printable(what += ' ', found->text.substr(0, longest_said), true);
    return unreadable(what + " where a number was expected");
}

Json* inside(Json& object, std::string_view name) {
    return const_cast<Json*>(std::as_const(object).find(name));
}

}  // namespace

Result<Member> parse_member(std::string_view json) {
    const auto answer = answer_in(json);
    if (!answer) return answer.error();
    Member member;
    if (auto good = check_status(*answer, member.drifts); !good) return good.error();
    const auto* data = answer->find("data");
    if (!data || data->is(Json::Kind::null)) return unreadable("data: missing" + said_in(*answer));
    const auto* channel_sent = data->find("channel_data");
    if (!channel_sent || !channel_sent->is(Json::Kind::object))
        return unreadable("data.channel_data: missing" + said_in(*answer));
    const auto live = is_published(*channel_sent);
    if (!live) return live.error();
    member.live = *live;

    auto shaped = shaped_member(*data, member.drifts);
    auto* channel = inside(shaped, "channel_data");
    member.channel_id = text_at(*channel, "channelid");
    member.version = text_at(*channel, "version");
    member.title = html_unescaped(text_at(*channel, "title"));
    member.image = text_at(*channel, "image");
    member.name = html_unescaped(text_at(*shaped.find("profile_data"), "name"));
    member.start = integer_at(*channel, "start");
    const auto login = integer_at(*channel, "login_only");
    member.login_only = login == 1;
    member.paid = login == 2 || integer_at(*channel, "ticket_only") > 0;

    if (auto* title = inside(*channel, "title"); title->is(Json::Kind::text)) title->text = member.title;
    member.metadata = member_value(shaped);
    append_go_json(member.info_json, shaped, JsonLayout::two_blanks);
    member.info_json += '\n';
    return member;
}

namespace {

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~").find(c) != std::string_view::npos;
}

std::string in_query(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if (is_unreserved(c))
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

bool is_socket_address(std::string_view url) {
    const auto scheme = ascii_lowered(url.substr(0, 6));
    const bool known = scheme.starts_with("wss://") || scheme.starts_with("ws://");
    return known && std::all_of(url.begin(), url.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

/// FC2-17: only what the token says is of interest; whether it is genuine is the site's affair.
Result<> read_control_token(std::string_view token, ControlServer& into) {
    const auto payload = jwt::payload_of(token);
    if (!payload) return unreadable(fmt::format("control_token: {}", payload.error().what));
    const auto claims = parse_json_tree(*payload);
    if (!claims) return unreadable(fmt::format("control_token: {}", claims.error().what));
    if (!claims->is(Json::Kind::object)) return unreadable("control_token: no claims in it");
    into.user_name = text_at(*claims, "user_name").substr(0, longest_user_name);
    into.expires = integer_in(claims->find("exp"));
    return {};
}

}  // namespace

Result<ControlServer> parse_control_server(std::string_view json) {
    const auto answer = answer_in(json);
    if (!answer) return answer.error();
    if (const auto status = integer_in(answer->find("status")).value_or(0); status != 0)
        return Error{Errc::denied, fmt::format("status: {}{}", status, said_in(*answer))};
    const auto url = text_at(*answer, "url"), token = text_at(*answer, "control_token");
    if (url.empty()) return unreadable("url: missing" + said_in(*answer));
    if (!is_socket_address(url)) return unreadable("url: not the address of a websocket");
    if (token.empty()) return unreadable("control_token: missing" + said_in(*answer));
    ControlServer server;
    const auto end = std::min(url.find('#'), url.size());
    const bool more = url.find('?') < end;
    server.url = fmt::format("{}{}control_token={}", url.substr(0, end), more ? '&' : '?', in_query(token));
    server.orz_raw = text_at(*answer, "orz_raw");
    if (auto good = read_control_token(token, server); !good) return good.error();
    return server;
}

Result<std::vector<ListedChannel>> parse_channel_list(std::string_view json) {
    const auto answer = answer_in(json);
    if (!answer) return answer.error();
    const auto* channels = answer->find("channel");
    if (!channels) return unreadable("channel: missing");
    // A list with gaps in its numbering becomes an object where PHP writes it.
    if (!channels->is(Json::Kind::list) && !channels->is(Json::Kind::object))
        return unreadable(fmt::format("channel: {} where a list was expected", name_of(channels->kind)));
    std::vector<ListedChannel> out;
    for (const auto& item : channels->items) {
        const auto& one = item.second;
        auto id = text_at(one, "id");
        if (id.empty()) continue;
        out.push_back({.id = std::move(id),
                       .name = html_unescaped(text_at(one, "name")),
                       .title = html_unescaped(text_at(one, "title")),
                       .count = integer_at(one, "count"),
                       .login = integer_at(one, "login") > 0,
                       .pay = integer_at(one, "pay") > 0});
    }
    if (out.empty() && !channels->items.empty()) return unreadable("channel: no id in any of its entries");
    return out;
}

Result<std::string> parse_channel_id(std::string_view text) {
    const auto is_id = [](std::string_view id) {
        return !id.empty() && id.size() <= longest_id && id.find_first_not_of("0123456789") == std::string_view::npos;
    };
    const auto is_host = [](std::string_view host) {
        return host == "live.fc2.com" || host == "livechatfc2.com" || host == "www.livechatfc2.com" ||
               host == "live.livechatfc2.com";
    };
    auto rest = stripped(text);
    if (is_id(rest)) return std::string(rest);
    const auto lowered = ascii_lowered(rest.substr(0, 8));
    for (const std::string_view scheme : {"https://", "http://"})
        if (lowered.starts_with(scheme)) {
            rest.remove_prefix(scheme.size());
            break;
        }
    const auto slash = std::min(rest.find('/'), rest.size());
    auto path = rest.substr(std::min(slash + 1, rest.size()));
    path = path.substr(0, path.find_first_of("/?#"));
    if (is_host(ascii_lowered(rest.substr(0, slash))) && is_id(path)) return std::string(path);
    std::string shown;
    append_printable(shown, stripped(text).substr(0, longest_said), true);
    return unreadable(fmt::format("\"{}\" is no channel: digits, or https://live.fc2.com/DIGITS/", shown));
}

}  // namespace weir::fc2
