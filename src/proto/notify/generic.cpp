#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/options.h"
#include "proto/notify/services.h"

// source  notify.md 8
namespace weir::notify {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct GenericSettings {
    std::string host, path, authorization, query;
    std::string content_type = "application/json", shape, title, title_key = "title", message_key = "message";
    std::string method = "POST";
    bool plain_http = false;
    Fields headers;
    std::map<std::string, std::string> members;
};

Options generic_options(GenericSettings& s) {
    return Options()
        .text("contenttype", s.content_type)
        .flag("disabletls", s.plain_http)
        .text("template", s.shape)
        .text("title", s.title)
        .text("titlekey", s.title_key)
        .text("messagekey", s.message_key)
        .text("method", s.method);
}

bool is_token(std::string_view text) {
    const auto fits = [](char c) {
        const char l = ascii_lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

/// acceptLanguage becomes Accept-Language.
std::string header_name(std::string_view key) {
    std::string out;
    for (const char c : key) {
        const bool upper = c >= 'A' && c <= 'Z', first = out.empty() || out.back() == '-';
        if (upper && !first) out += '-';
        out += first && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return out;
}

void set_header(Fields& headers, std::string name, std::string value) {
    std::erase_if(headers, [&](const auto& one) { return ascii_lowered(one.first) == ascii_lowered(name); });
    headers.emplace_back(std::move(name), std::move(value));
}

/// The URL's query: options here, headers ("@"), members ("$"), and what the server is to get.
Result<> read_generic_query(GenericSettings& s, const Fields& query) {
    GenericSettings unused;
    const auto known = generic_options(unused);
    const auto reserved = [&](std::string_view key) { return known.knows(key) && ascii_lowered(key) == key; };
    Fields options, forwarded;
    for (const auto& [key, value] : query) {
        if (key.starts_with('@')) {
            const auto name = header_name(std::string_view(key).substr(1));
            const auto low = ascii_lowered(name);
            if (!is_token(name)) return unfit_for_service("what follows @ is no name of a header");
            if (low == "content-length" || low == "transfer-encoding")
                return unfit_for_service("the length of the body cannot be a header of the URL");
            set_header(s.headers, name, header_value(value));
        } else if (key.starts_with('$')) {
            s.members[key.substr(1)] = value;
        } else if (reserved(key)) {
            options.emplace_back(key, value);
        } else if (key.starts_with("__") && reserved(key.substr(2))) {
            forwarded.emplace_back(key.substr(2), value);
        } else {
            forwarded.emplace_back(key, value);
        }
    }
    if (!forwarded.empty()) s.query = "?" + form_encoded(std::move(forwarded));
    if (auto done = generic_options(s).apply(options); !done) return done;
    if (!is_token(s.method)) return unfit_for_service("option method: a word is accepted, as POST");
    return {};
}

std::string generic_json(const GenericSettings& s, const Message& message, const Fields& extra) {
    std::map<std::string, std::string> members(extra.begin(), extra.end());
    if (message.priority) members["priority"] = std::to_string(*message.priority);
    if (const auto& title = message.title.empty() ? s.title : message.title; !title.empty())
        members[s.title_key] = title;
    for (const auto& [key, value] : s.members) members[key] = value;
    members[s.message_key] = message.text;
    boost::json::object out;
    for (const auto& [key, value] : members) out[key] = value;
    return boost::json::serialize(out);
}

Result<std::unique_ptr<Delivery>> deliver_generic(GenericSettings s, const Message& message) {
    auto options = generic_options(s);
    Fields extra;
    for (const auto& param : message.params) {
        if (!options.knows(param.first))
            extra.push_back(param);
        else if (auto done = options.apply({param}); !done)
            return done.error();
    }
    if (!is_token(s.method)) return unfit_for_service("option method: a word is accepted, as POST");
    HttpCall call;
    call.method.clear();
    for (const char c : s.method) call.method += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    call.url = fmt::format("{}://{}{}{}", s.plain_http ? "http" : "https", s.host, s.path, s.query);
    std::string type = "text/plain";
    if (s.shape.empty()) {
        call.body = message.text;
    } else if (s.shape == "json" || s.shape == "JSON") {
        call.body = generic_json(s, message, extra);
        type = header_value(s.content_type);
    } else {
        return unfit_for_service("option template: json or nothing is accepted; no other template is loaded");
    }
    call.headers = {{"Content-Type", type}, {"Accept", type}};
    if (!s.authorization.empty()) call.headers.emplace_back("Authorization", s.authorization);
    for (const auto& [name, value] : s.headers) set_header(call.headers, name, value);
    return known_call("generic", std::move(call), status_between(100, 400));
}

}  // namespace

Made make_generic(const ServiceUrl& url) {
    GenericSettings s;
    if (url.host.empty()) return unfit_for_service("no host");
    if (!url.custom.empty() && url.custom != "http" && url.custom != "https")
        return unfit_for_service("after + only http and https are known");
    s.host = url.authority();
    s.path = url.raw_path.empty() ? "/" : safe_path(url.raw_path);
    s.plain_http = url.custom == "http";
    if (url.has_user) s.authorization = basic_authorization(url.user, url.password);
    if (auto done = read_generic_query(s, url.query); !done) return done.error();
    return service_of("generic",
                      [s](const Message& message, const Surroundings&) { return deliver_generic(s, message); });
}

}  // namespace weir::notify
