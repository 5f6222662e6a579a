#include "proto/fc2/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "proto/fc2/json_tree.h"

namespace weir::fc2 {
namespace {

struct CommentField {
    std::string_view key;
    bool number = false;
    bool stays = false;  ///< the same when the comment is replayed
};
constexpr std::array<CommentField, 11> comment_fields{{{"user_name", false, true},
                                                       {"comment", false, true},
                                                       {"timestamp", true, true},
                                                       {"encrypted_user_id", false, true},
                                                       {"orz_token", false, true},
                                                       {"hash", false, true},
                                                       {"color"},
                                                       {"size"},
                                                       {"lang"},
                                                       {"anonymous", true},
                                                       {"history", true}}};

/// FNV-1a over fields with their lengths, stirred at the end.
class CommentHash {
public:
    void add(std::string_view field) {
        for (std::size_t n = field.size(), i = 0; i < sizeof n; ++i, n >>= 8) add(static_cast<unsigned char>(n));
        for (const char c : field) add(static_cast<unsigned char>(c));
    }
    [[nodiscard]] std::uint64_t value() const {
        auto h = h_;
        h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
        return h ^ h >> 33;
    }

private:
    void add(unsigned char byte) { h_ = (h_ ^ byte) * 0x100000001b3u; }

    std::uint64_t h_ = 0xcbf29ce484222325u;
};

/// Of the kind that readers of chat files know; lists and objects stay what they are.
Json as_written(const Json* v, bool number) {
    if (v && !v->is(Json::Kind::null) && !text_in(v)) return *v;
    auto text = text_in(v).value_or("");
    if (!number) return Json::text_of(std::move(text));
    if (text.empty()) return Json::number_of("0");
    if (v->is(Json::Kind::boolean)) return Json::number_of(v->truth ? "1" : "0");
    return is_json_number(text) ? Json::number_of(std::move(text)) : Json::text_of(std::move(text));
}

Comment comment_of(const Json& sent) {
    auto written = Json::object();
    CommentHash hash;
    for (const auto& field : comment_fields) {
        auto value = as_written(sent.find(field.key), field.number);
        if (field.stays) {
            std::string shown;
            append_go_json(shown, value);
            hash.add(shown);
        }
        written.items.emplace_back(field.key, std::move(value));
    }
    const auto is_known = [](std::string_view key) {
        return std::any_of(comment_fields.begin(), comment_fields.end(), [key](auto& f) { return f.key == key; });
    };
    for (const auto& item : sent.items)
        if (!is_known(item.first)) written.items.push_back(item);
    Comment comment;
    append_go_json(comment.line, written);
    comment.key = hash.value();
    return comment;
}

std::optional<int> small_integer(const Json* v) {
    const auto value = integer_in(v);
    if (!value || *value < std::numeric_limits<int>::min() || *value > std::numeric_limits<int>::max()) return {};
    return static_cast<int>(*value);
}

void add_playlists(const Json* list, std::vector<Playlist>& out) {
    if (!list || list->is(Json::Kind::text)) return;
    for (const auto& item : list->items) {
        const auto& one = item.second;
        const auto mode = small_integer(one.find("mode"));
        if (!mode) continue;
        out.push_back({.mode = *mode,
                       .status = small_integer(one.find("status")).value_or(0),
                       .url = text_in(one.find("url")).value_or("")});
    }
}

Message response_of(const Json& message, const Json& arguments) {
    const auto id = integer_in(message.find("id"));
    if (!id) return Other{"_response_", "id: missing, or no number"};
    Response response{.id = *id, .playlists = {}, .status = small_integer(arguments.find("status"))};
    for (const auto* list : {"playlists", "playlists_high_latency", "playlists_middle_latency"})
        add_playlists(arguments.find(list), response.playlists);
    return response;
}

Message comments_of(const Json& arguments) {
    const auto* sent = arguments.find("comments");
    if (!sent) return Other{"comment", "arguments.comments: missing"};
    Comments comments;
    if (sent->is(Json::Kind::object) && sent->find("comment")) {
        comments.comments.push_back(comment_of(*sent));  // one alone
    } else if (sent->is(Json::Kind::list) || sent->is(Json::Kind::object)) {
        for (const auto& item : sent->items)
            if (item.second.is(Json::Kind::object)) comments.comments.push_back(comment_of(item.second));
        if (comments.comments.empty() && !sent->items.empty())
            return Other{"comment", "arguments.comments: no comment in it"};
    } else if (!sent->is(Json::Kind::null)) {
        return Other{"comment", fmt::format("arguments.comments: {} where a list was expected", name_of(sent->kind))};
    }
    return comments;
}

std::string request(std::string_view name, std::int64_t id) {
    return fmt::format(R"({{"name":"{}","arguments":{{}},"id":{}}})", name, id);
}

}  // namespace

Message parse_message(std::string_view json) {
    const auto message = parse_json_tree(json);
    if (!message) return Other{"", message.error().what};
    const auto* named = message->find("name");
    if (!named || !named->is(Json::Kind::text)) return Other{"", "name: missing, or no text"};
    const auto& name = named->text;
    const Json nothing = Json::object();
    const auto* sent = message->find("arguments");
    const auto& arguments = sent ? *sent : nothing;
    if (name == "_response_") return response_of(*message, arguments);
    if (name == "comment") return comments_of(arguments);
    if (name == "control_disconnection") return Disconnection{small_integer(arguments.find("code")).value_or(0)};
    if (name == "publish_stop") return PublishStop{};
    if (name == "connect_complete") return ConnectComplete{};
    return Other{name, ""};
}

std::string heartbeat(std::int64_t id) {
    return request("heartbeat", id);
}

std::string get_hls_information(std::int64_t id) {
    return request("get_hls_information", id);
}

Error disconnection_error(int code) {
    const auto error = [code](Errc kind, std::string_view what) {
        return Error{.code = kind, .what = fmt::format("{} ({})", what, code), .status = code};
    };
    switch (code) {
        case 4101:
            return error(Errc::denied, "paid programme");
        case 4507:
            return error(Errc::denied, "login required");
        case 4512:
            return error(Errc::busy, "this viewer is connected to this live more than once");
        default:
            return error(Errc::lost_peer, "server disconnected");
    }
}

}  // namespace weir::fc2
