#include "proto/notify/service.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "proto/notify/deliveries.h"
#include "proto/notify/services.h"

namespace weir::notify {
namespace {

constexpr std::size_t max_text = 64 * 1024, max_title = 1024, min_secret = 8, max_calls = 200;
constexpr std::string_view cut_mark = " [...]";

struct SchemeRow {
    std::string_view scheme;
    Made (*make)(const ServiceUrl&);
    bool custom = false;          ///< takes "scheme+https://"
    bool host_is_secret = false;  ///< what stands in the place of the host is a token or an address
};

constexpr SchemeRow rows[] = {
    {"bark", make_bark},
    {"discord", make_discord},
    {"generic", make_generic, true},
    {"googlechat", make_googlechat},
    {"gotify", make_gotify},
    {"hangouts", make_googlechat},
    {"ifttt", make_ifttt, false, true},
    {"join", make_join},
    {"lark", make_lark},
    {"logger", make_logger},
    {"matrix", make_matrix},
    {"mattermost", make_mattermost},
    {"mqtt", make_mqtt},
    {"mqtts", make_mqtt},
    {"notifiarr", make_notifiarr, true, true},
    {"ntfy", make_ntfy},
    {"opsgenie", make_opsgenie},
    {"pagerduty", make_pagerduty},
    {"pushbullet", make_pushbullet, false, true},
    {"pushover", make_pushover, false, true},
    {"rocketchat", make_rocketchat},
    {"signal", make_signal},
    {"slack", make_slack, false, true},
    {"smtp", make_smtp},
    {"teams", make_teams},
    {"telegram", make_telegram},
    {"twilio", make_twilio},
    {"wecom", make_wecom, false, true},
    {"zulip", make_zulip},
};

/// The token in "Bearer TOKEN" and in a URL that is an option's value.
void add_long_words(std::vector<std::string>& all) {
    constexpr std::size_t least = 12;
    const auto whole = all;
    for (const std::string_view text : whole) {
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= text.size(); ++i) {
            if (i < text.size() && std::string_view(" -/,:;&=?").find(text[i]) == std::string_view::npos) continue;
            if (i - begin >= least && i - begin < text.size()) all.emplace_back(text.substr(begin, i - begin));
            begin = i + 1;
        }
    }
}

/// What of the URL must not be repeated even when a server repeats it in its complaint.
std::vector<std::string> secrets_of(const ServiceUrl& url, bool host_is_secret) {
    std::vector<std::string> all = url.segments();
    all.insert(all.end(), {url.user, url.password, url.fragment});
    if (host_is_secret) all.push_back(url.host);
    for (const auto& option : url.query) all.push_back(option.second);
    add_long_words(all);
    std::erase_if(all, [](const std::string& one) { return one.size() < min_secret; });
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    return all;
}

/// Where a text was cut in the midst of a secret.
void hide_beginning(std::string& text, std::string_view secret) {
    constexpr std::size_t least = 4;
    for (auto size = std::min(secret.size() - 1, text.size()); size >= least; --size) {
        if (!text.ends_with(secret.substr(0, size))) continue;
        text.resize(text.size() - size);
        text += "***";
        return;
    }
}

/// What holds for every service: the name in front of its errors, no secret in them.
struct Manners {
    std::string scheme;
    std::vector<std::string> secrets;

    [[nodiscard]] Error mannered(Error e) const {
        if (e.trail != scheme && !e.trail.starts_with(scheme + ":")) e = within(scheme, std::move(e));
        for (const auto& secret : secrets) {
            replace_all(e.what, secret, "***");
            hide_beginning(e.what, secret);
        }
        return e;
    }
};

class MannerlyDelivery final : public Delivery {
public:
    MannerlyDelivery(std::unique_ptr<Delivery> inner, std::shared_ptr<const Manners> manners)
        : inner_(std::move(inner)), manners_(std::move(manners)) {}

    std::optional<Call> next() override {
        if (taken_ < max_calls) return inner_->next();
        return std::nullopt;
    }
    void take(const Result<Reply>& reply) override {
        inner_->take(reply);
        ++taken_;
    }
    Result<> outcome() const override {
        auto out = inner_->outcome();
        if (!out) return manners_->mannered(out.error());
        if (taken_ >= max_calls && inner_->next())
            return manners_->mannered(unfit_for_service(fmt::format("more than {} calls for one message", max_calls)));
        return out;
    }

private:
    std::unique_ptr<Delivery> inner_;
    std::shared_ptr<const Manners> manners_;
    std::size_t taken_ = 0;
};

std::string tidy(std::string_view text, std::size_t most) {
    auto out = valid_utf8(text.substr(0, most + 1));
    if (out.size() <= most) return out;
    out = cut_bytes(out, most - cut_mark.size());
    return out.append(cut_mark);
}

class MannerlyService final : public Service {
public:
    MannerlyService(std::unique_ptr<Service> inner, Manners manners)
        : inner_(std::move(inner)), manners_(std::make_shared<const Manners>(std::move(manners))) {}

    std::string_view scheme() const noexcept override { return manners_->scheme; }
    Result<std::unique_ptr<Delivery>> deliver(const Message& message, const Surroundings& around) override {
        Message tidied = message;
        tidied.title = tidy(message.title, max_title);
        tidied.text = tidy(message.text, max_text);
        if (tidied.priority) tidied.priority = std::clamp(*tidied.priority, 0, 10);
        for (auto& [key, value] : tidied.params) {
            key = tidy(key, max_title);
            value = tidy(value, max_text);
        }
        auto made = inner_->deliver(tidied, around);
        if (!made) return manners_->mannered(made.error());
        return std::unique_ptr<Delivery>(std::make_unique<MannerlyDelivery>(std::move(*made), manners_));
    }

private:
    std::unique_ptr<Service> inner_;
    std::shared_ptr<const Manners> manners_;
};

}  // namespace

Result<std::unique_ptr<Service>> make_service(std::string_view text) {
    const auto url = read_service_url(text);
    if (!url) return url.error();
    const auto row =
        std::find_if(std::begin(rows), std::end(rows), [&](const auto& one) { return one.scheme == url->scheme; });
    if (row == std::end(rows)) return unfit_for_service(fmt::format("unknown service: \"{}\"", url->scheme));
    if (!url->custom.empty() && !row->custom)
        return within(row->scheme, unfit_for_service("takes no scheme after +; generic and notifiarr do"));
    Manners manners{std::string(row->scheme), secrets_of(*url, row->host_is_secret)};
    auto made = row->make(*url);
    if (!made) return manners.mannered(made.error());
    return std::unique_ptr<Service>(std::make_unique<MannerlyService>(std::move(*made), std::move(manners)));
}

std::vector<std::string_view> service_schemes() {
    std::vector<std::string_view> out;
    for (const auto& row : rows) out.push_back(row.scheme);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace weir::notify
