#include <fmt/format.h>

#include <algorithm>

#include "apps/fc2/api.h"
#include "apps/fc2/directory.h"
#include "apps/fc2/fc2.h"
#include "apps/fc2/session.h"
#include "base/log.h"
#include "base/text.h"

namespace weir::fc2 {

struct Site::Inner {
    Inner(Shard& s, HttpClient& http, std::shared_ptr<Resolver> r, CookieJar& cookies, Settings given)
        : shard(s),
          resolver(std::move(r)),
          settings(std::move(given)),
          api(shard, http, cookies, settings),
          directory(shard, api, settings.seed) {}

    Shard& shard;
    std::shared_ptr<Resolver> resolver;
    const Settings settings;
    Api api;
    Directory directory;
};

namespace {

constexpr std::size_t longest_version = 64;

/// What only our own Channel reads of a Live.
struct LiveOfFc2 {
    std::string channel, version;
    std::int64_t start = 0;
};

/// Title and viewers change during a live; its start does not.
std::string live_id(const std::string& channel, const Member& member) {
    if (member.start > 0) return fmt::format("{}-{}", channel, member.start);
    const auto version = std::string_view(member.version).substr(0, longest_version);
    return fmt::format("{}-{}", channel, version.empty() ? "live" : version);
}

class FollowedChannel final : public sites::Channel {
public:
    FollowedChannel(std::shared_ptr<Site::Inner> site, std::string id, Params params)
        : site_(std::move(site)),
          id_(std::move(id)),
          params_(std::move(params)),
          place_(site_->directory.join(params_.base.wait_poll_interval)) {}
    ~FollowedChannel() override { site_->directory.leave(*place_); }
    FollowedChannel(const FollowedChannel&) = delete;

    Task<Result<std::optional<sites::Live>>> look() override;
    [[nodiscard]] Millis pace(Millis wished) const override { return site_->directory.pace(wished); }
    [[nodiscard]] std::unique_ptr<sites::Session> open(const sites::Live& live,
                                                       sites::Session::Listener listener) override;
    [[nodiscard]] std::string_view site() const override { return "fc2"; }
    [[nodiscard]] std::string_view chat_extension() const override { return "fc2chat.json"; }
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> media_headers() const override {
        return site_->api.agent_header();
    }
    [[nodiscard]] sites::TraceNames trace_names() const override;

private:
    [[nodiscard]] sites::Live live_of(Member member) const;

    const std::shared_ptr<Site::Inner> site_;
    const std::string id_;
    const Params params_;
    const std::unique_ptr<Directory::Place> place_;
    bool live_ = false;  ///< as far as we know
};

/// While it is live, lists are not believed: they lag, and do not have everybody; a recording would end by them.
Task<Result<std::optional<sites::Live>>> FollowedChannel::look() {
    std::optional<sites::Live> live;
    const bool goes_on = live_;
    bool worth = true;
    if (!goes_on) worth = co_await site_->directory.worth_asking(id_, *place_);
    if (!worth) co_return live;
    auto member = co_await site_->api.member(id_, goes_on);
    if (!member) co_return member.error();
    live_ = member->live;
    if (!live_) co_return live;
    site_->directory.is_live(id_, *place_);
    live = live_of(std::move(*member));
    co_return live;
}

sites::Live FollowedChannel::live_of(Member member) const {
    sites::Live live;
    live.channel_id =
        id_;  // journals and what earlier runs left are found by what is watched, whatever the answer says
    live.id = live_id(id_, member);
    const auto told = parse_channel_id(member.channel_id);
    live.of_site = std::make_shared<LiveOfFc2>(LiveOfFc2{told ? *told : id_, member.version, member.start});
    live.channel_name = std::move(member.name);
    live.title = std::move(member.title);
    live.metadata = std::move(member.metadata);
    live.info_json = std::move(member.info_json);
    live.metadata_json = live.info_json;
    while (live.metadata_json.ends_with('\n')) live.metadata_json.pop_back();
    if (!member.image.empty())
        if (auto url = resolve_url(site_->api.hosts().live, member.image)) live.thumbnail = std::move(*url);
    return live;
}

/// Under the keys of the configuration.
std::string json_of(const Params& params) {
    const auto& base = params.base;
    std::string out = "{";
    const auto add = [&out](const char* key, const std::string& value) {
        out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", key, value);
    };
    const auto yes = [](bool value) { return std::string(value ? "true" : "false"); };
    const auto time = [](Millis value) {
        const bool whole = value.count() % 1000 == 0;
        return whole ? fmt::format("\"{}s\"", value.count() / 1000) : fmt::format("\"{}ms\"", value.count());
    };
    add("quality", json_quoted(params.quality));
    add("latency", json_quoted(params.latency));
    add("outFormat", json_quoted(base.out_format));
    add("packetLossMax", std::to_string(base.packet_loss_max));
    add("writeChat", yes(base.write_chat));
    add("writeInfoJson", yes(base.write_info_json));
    add("writeThumbnail", yes(base.write_thumbnail));
    add("waitForLive", yes(base.wait_for_live));
    add("waitForQualityMaxTries", std::to_string(params.wait_for_quality_max_tries));
    add("waitPollInterval", time(base.wait_poll_interval));
    add("allowQualityUpgrade", yes(params.allow_quality_upgrade));
    add("pollQualityUpgradeInterval", time(params.poll_quality_upgrade_interval));
    add("remux", yes(base.remux));
    add("remuxFormat", json_quoted(base.remux_format));
    add("concat", yes(base.concat));
    add("keepIntermediates", yes(base.keep_intermediates));
    add("scanDirectory", json_quoted(base.scan_directory.string()));
    add("eligibleForCleaningAge", time(base.eligible_for_cleaning_age));
    add("deleteCorrupted", yes(base.delete_corrupted));
    add("extractAudio", yes(base.extract_audio));
    std::string labels;
    for (const auto& [name, value] : base.labels)
        labels += fmt::format("{}{}:{}", labels.empty() ? "" : ",", json_quoted(name), json_quoted(value));
    add("labels", fmt::format("{{{}}}", labels));
    return out + "}";
}

sites::TraceNames FollowedChannel::trace_names() const {
    return {"fc2", "withny.Process", "fc2.DownloadLiveStream", "fc2.downloadStream", json_of(params_)};
}

std::unique_ptr<sites::Session> FollowedChannel::open(const sites::Live& live, sites::Session::Listener listener) {
    LiveOfFc2 of{live.channel_id, {}, 0};
    if (live.of_site) of = *std::static_pointer_cast<const LiveOfFc2>(live.of_site);
    SessionPlan plan{site_->shard, site_->resolver, site_->api, site_->settings, site_,
                     of.channel,   of.version,      of.start,   params_};
    return make_session(std::move(plan), std::move(listener));
}

}  // namespace

Site::Site(Shard& shard, HttpClient& http, std::shared_ptr<Resolver> resolver, CookieJar& cookies, Settings settings)
    : inner_(std::make_shared<Inner>(shard, http, std::move(resolver), cookies, std::move(settings))) {}

Site::~Site() = default;

std::shared_ptr<sites::Channel> Site::channel(std::string id, const Params& params) {
    return std::make_shared<FollowedChannel>(inner_, std::move(id), params);
}

/// Two pages as a browser would see them; what they set as cookies is half of the purpose (FC2-120).
Task<Result<std::optional<std::string>>> Site::probe() {
    std::optional<std::string> nobody;
    const auto& id = inner_->settings.hosts.id;
    auto login = co_await inner_->api.page("/login/");
    if (!login) co_return within("login probe", login.error());
    auto home = co_await inner_->api.page("/");
    if (!home) co_return within("login probe", home.error());
    for (const auto* page : {&*login, &*home})
        if (page->head.status >= 500 || page->head.status == 429)
            co_return within("login probe", status_error(page->head));
    const auto& there = login->head.url;
    const bool known = login->head.status == 200 && there.host == id.host && there.port == id.port &&
                       login->body.find("nickname") != std::string::npos;
    const auto seen = parse_home_page(home->body);
    if (!known || home->head.status != 200 || !seen.logged_in) co_return nobody;
    co_return std::optional<std::string>(seen.user_name);
}

Task<void> Site::stop() {
    co_await inner_->directory.stop();
}

std::uint64_t Site::requests() const noexcept {
    return inner_->api.requests();
}

}  // namespace weir::fc2
