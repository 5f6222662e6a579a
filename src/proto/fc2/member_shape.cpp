#include "proto/fc2/member_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

namespace weir::fc2 {
namespace {

using gotemplate::Value;

enum class Sort : std::uint8_t { text, number, integer, either, anything, texts, list, objects, object };

struct Field {
    std::string_view key, go;
    Sort sort = Sort::number;
    std::span<const Field> inside = {};
    std::string_view type = {};  ///< of objects: its Go name
};

constexpr std::array gift_fields{Field{"id", "ID"}, Field{"type", "Type"}, Field{"url", "URL", Sort::texts},
                                 Field{"name", "Name", Sort::text}};
constexpr std::array fc2_channel_fields{Field{"result", "Result"},
                                        Field{"userid", "UserID", Sort::either},
                                        Field{"fc2id", "Fc2ID", Sort::either},
                                        Field{"adult", "Adult"},
                                        Field{"title", "Title", Sort::text},
                                        Field{"description", "Description", Sort::text},
                                        Field{"url", "URL", Sort::text},
                                        Field{"images", "Images", Sort::list}};
constexpr std::array channel_fields{
    Field{"channelid", "ChannelID", Sort::text},
    Field{"userid", "UserID", Sort::either},
    Field{"adult", "Adult"},
    Field{"twoshot", "Twoshot"},
    Field{"title", "Title", Sort::text},
    Field{"info", "Info", Sort::text},
    Field{"image", "Image", Sort::text},
    Field{"login_only", "LoginOnly"},
    Field{"gift_limit", "GiftLimit"},
    Field{"gift_list", "GiftList", Sort::objects, gift_fields, "api.GiftList"},
    Field{"comment_limit", "CommentLimit", Sort::either},
    Field{"tfollow", "Tfollow"},
    Field{"tname", "Tname", Sort::text},
    Field{"fee", "Fee"},
    Field{"amount", "Amount"},
    Field{"interval", "Interval"},
    Field{"category", "Category", Sort::either},
    Field{"category_name", "CategoryName", Sort::text},
    Field{"is_official", "IsOfficial"},
    Field{"is_premium_publisher", "IsPremiumPublisher"},
    Field{"is_link_share", "IsLinkShare"},
    Field{"ticketid", "Ticketid"},
    Field{"is_premium", "IsPremium"},
    Field{"ticket_price", "TicketPrice"},
    Field{"ticket_only", "TicketOnly"},
    Field{"is_app", "IsApp"},
    Field{"is_video", "IsVideo"},
    Field{"is_rest", "IsREST"},
    Field{"count", "Count"},
    Field{"total", "Total"},
    Field{"is_publish", "IsPublish", Sort::integer},
    Field{"is_limited", "IsLimited"},
    Field{"start", "Start"},
    Field{"version", "Version", Sort::text},
    Field{"fc2_channel", "FC2Channel", Sort::object, fc2_channel_fields, "api.FC2Channel"},
    Field{"control_tag", "ControlTag", Sort::text},
    Field{"publish_method", "PublishMethod", Sort::text},
    Field{"video_stereo3d", "VideoStereo3D", Sort::either},
    Field{"video_mapping", "VideoMapping", Sort::either},
    Field{"video_horizontal_view", "VideoHorizontalView", Sort::either}};
constexpr std::array profile_fields{Field{"userid", "UserID", Sort::anything}, Field{"fc2id", "Fc2ID", Sort::anything},
                                    Field{"name", "Name", Sort::text},         Field{"info", "Info", Sort::anything},
                                    Field{"icon", "Icon", Sort::anything},     Field{"image", "Image", Sort::anything},
                                    Field{"sex", "Sex", Sort::anything},       Field{"age", "Age", Sort::anything}};
constexpr std::array user_fields{Field{"is_login", "IsLogin"},
                                 Field{"userid", "UserID", Sort::either},
                                 Field{"fc2id", "Fc2ID", Sort::either},
                                 Field{"icon", "Icon", Sort::text},
                                 Field{"name", "Name", Sort::text},
                                 Field{"point", "Point"},
                                 Field{"adult_access", "AdultAccess"},
                                 Field{"recauth", "Recauth"},
                                 Field{"is_premium_user", "IsPremiumUser"},
                                 Field{"gift_list", "GiftList", Sort::anything},
                                 Field{"stamina", "Stamina", Sort::anything}};
constexpr std::array member_fields{
    Field{"channel_data", "ChannelData", Sort::object, channel_fields, "api.ChannelData"},
    Field{"profile_data", "ProfileData", Sort::object, profile_fields, "api.ProfileData"},
    Field{"user_data", "UserData", Sort::object, user_fields, "api.UserData"}};
constexpr Field whole_member{"data", "MetaData", Sort::object, member_fields, "api.GetMetaData"};

std::string_view expected_of(Sort sort) {
    switch (sort) {
        case Sort::text:
            return "text";
        case Sort::number:
        case Sort::integer:
            return "a number";
        case Sort::either:
            return "a number or text";
        case Sort::object:
            return "an object";
        default:
            return "a list";
    }
}

bool is_listed(Sort sort, Json::Kind kind) {
    using Kind = Json::Kind;
    if (kind == Kind::null || sort == Sort::anything) return true;  // FC2-8: anything may be null
    switch (sort) {
        case Sort::text:
            return kind == Kind::text;
        case Sort::number:
        case Sort::integer:
            return kind == Kind::number;
        case Sort::either:
            return kind == Kind::number || kind == Kind::text;
        case Sort::object:
            return kind == Kind::object;
        default:
            return kind == Kind::list;
    }
}

/// Brings what came into the shape that is known; what no rule fits stays as it came, so nothing is lost.
class Shaper {
public:
    explicit Shaper(std::vector<std::string>& drifts) : drifts_(drifts) {}

    Json shape(const Json& v, const Field& field, const std::string& at) {
        if (!is_listed(field.sort, v.kind))
            tell(fmt::format("{}: {} where {} was expected", at, name_of(v.kind), expected_of(field.sort)));
        switch (field.sort) {
            case Sort::text:
                return v.is(Json::Kind::null) ? Json::text_of({}) : as_text(v);
            case Sort::number:
            case Sort::integer:
                return as_number(v);
            case Sort::texts:
                return as_list(v, [&](const Json& one) { return shape(one, Field{"", "", Sort::text}, at + "[]"); });
            case Sort::objects:
                return as_list(v, [&](const Json& one) {
                    return shape(one, Field{"", "", Sort::object, field.inside}, at + "[]");
                });
            case Sort::list:
                return as_list(v, [](const Json& one) { return one; });
            case Sort::object:
                return as_object(v, field, at);
            default:
                return v;
        }
    }

private:
    static Json as_text(const Json& v) {
        auto text = text_in(&v);
        return text ? Json::text_of(std::move(*text)) : v;
    }
    static Json as_number(const Json& v) {
        if (v.is(Json::Kind::null) || (v.is(Json::Kind::text) && v.text.empty())) return Json::number_of("0");
        if (v.is(Json::Kind::boolean)) return Json::number_of(v.truth ? "1" : "0");
        return v.is(Json::Kind::text) && is_json_number(v.text) ? Json::number_of(v.text) : v;
    }
    template <class One>
    static Json as_list(const Json& v, One one) {
        if (v.is(Json::Kind::null)) return Json::list();
        if (!v.is(Json::Kind::list)) return v;
        auto out = Json::list();
        for (const auto& item : v.items) out.items.emplace_back("", one(item.second));
        return out;
    }
    /// What is no object leaves its place to an empty one: its known keys must be there for templates.
    Json as_object(const Json& v, const Field& field, const std::string& at) {
        auto out = Json::object();
        for (const auto& known : field.inside) {
            const auto* found = v.find(known.key);
            out.items.emplace_back(known.key, shape(found ? *found : Json(), known,
                                                    fmt::format("{}{}{}", at, at.empty() ? "" : ".", known.key)));
        }
        if (!v.is(Json::Kind::object)) return out;
        for (const auto& item : v.items)
            if (std::none_of(field.inside.begin(), field.inside.end(), [&](auto& f) { return f.key == item.first; }))
                out.items.push_back(item);
        return out;
    }
    /// Lists repeat their complaints; they are heard once.
    void tell(std::string what) {
        if (std::find(drifts_.begin(), drifts_.end(), what) == drifts_.end()) drifts_.push_back(std::move(what));
    }

    std::vector<std::string>& drifts_;
};

/// Without a type of its own: numbers as received, objects and lists as Go has them for `any`.
Value plain_json_value(const Json& v) {
    switch (v.kind) {
        case Json::Kind::null:
            return {};
        case Json::Kind::boolean:
            return Value::boolean(v.truth);
        case Json::Kind::number:
            return Value::json_number(v.text);
        case Json::Kind::text:
            return Value::text(v.text);
        case Json::Kind::list: {
            gotemplate::Values items;
            for (const auto& item : v.items) items.push_back(Value::any(plain_json_value(item.second)));
            return Value::slice(std::move(items), gotemplate::types::slice_of(gotemplate::types::any()));
        }
        default: {
            gotemplate::Entries entries;
            for (const auto& [name, value] : v.items)
                entries.emplace_back(Value::text(name), Value::any(plain_json_value(value)));
            return Value::map(std::move(entries),
                              gotemplate::types::map_of(gotemplate::types::string(), gotemplate::types::any()));
        }
    }
}

std::string shown(const Json& v) {
    if (auto text = text_in(&v)) return std::move(*text);
    std::string out;
    append_go_json(out, v);
    return out;
}

Value field_value(const Json& v, const Field& field);

Value object_value(const Json& v, const Field& field) {
    std::vector<std::pair<std::string, Value>> fields;
    for (const auto& known : field.inside) {
        const auto* found = v.find(known.key);
        fields.emplace_back(known.go, field_value(found ? *found : Json(), known));
    }
    return Value::structure(field.type, std::move(fields));
}

Value objects_value(const Json& v, const Field& field) {
    gotemplate::Values items;
    for (const auto& item : v.items) items.push_back(object_value(item.second, field));
    auto type = items.empty() ? gotemplate::types::any() : items.front().type();
    return Value::slice(std::move(items), gotemplate::types::slice_of(std::move(type)));
}

Value field_value(const Json& v, const Field& field) {
    switch (field.sort) {
        case Sort::text:
            return Value::text(shown(v));
        case Sort::number:
            return Value::json_number(shown(v));
        case Sort::integer:
            return Value::integer(integer_in(&v).value_or(0), gotemplate::types::int64());
        case Sort::texts: {
            std::vector<std::string> texts;
            for (const auto& item : v.items) texts.push_back(shown(item.second));
            return Value::strings(texts);
        }
        case Sort::objects:
            return objects_value(v, field);
        case Sort::list:
            return plain_json_value(v.is(Json::Kind::list) ? v : Json::list());
        case Sort::object:
            return object_value(v, field);
        default:
            return Value::any(v.is(Json::Kind::null) ? Value::text({}) : plain_json_value(v));
    }
}

}  // namespace

Json shaped_member(const Json& data, std::vector<std::string>& drifts) {
    return Shaper(drifts).shape(data, whole_member, "");
}

Value member_value(const Json& shaped) {
    return object_value(shaped, whole_member);
}

}  // namespace weir::fc2
