#include "apps/relay/topic.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "proto/websocket/framer.h"

namespace weir::relay {
namespace {

constexpr std::string_view mix_prefix = "stream/";
constexpr std::int64_t rate_seconds = 5;
constexpr std::size_t step_bytes = 256u << 10, step_items = 256;

std::int64_t second_of(SteadyTime t) noexcept {
    return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

Stream::Settings stream_settings(const Hub::Settings& of, std::string name) {
    Stream::Settings s;
    s.name = std::move(name);
    s.ring_bytes = of.ring_bytes;
    s.ring_time = of.ring_time;
    s.lean = true;
    return s;
}

metrics::Labels label(const Topic& of) {
    return {{of.mix ? "stream" : "feed", valid_utf8(of.name)}};
}

TopicStats::Running running(const RunningStats& from) {
    return {from.count(), from.mean(), from.min(), from.max(), from.stddev()};
}

}  // namespace

bool is_mix_name(std::string_view name) noexcept {
    return name.starts_with(mix_prefix);
}

// ------------------------------------------------------------------ Rate

void Rate::add(SteadyTime now, std::size_t bytes) noexcept {
    const auto at = second_of(now);
    if (first_ < 0) first_ = at;
    auto& second = seconds_[static_cast<std::size_t>(at) % seconds_.size()];
    if (second.at != at) second = {at, 0};
    second.bytes += bytes;
}

double Rate::bits_per_second(SteadyTime now) const noexcept {
    const auto at = second_of(now);
    if (first_ < 0 || at <= first_) return 0;
    std::uint64_t sum = 0;
    for (const auto& second : seconds_)
        if (second.at >= at - rate_seconds && second.at < at) sum += second.bytes;
    return static_cast<double>(sum) * 8 / static_cast<double>(std::min(rate_seconds, at - first_));
}

// ------------------------------------------------------------------ Face

Face::Face(Shards& shards, Shard& home, Topic& topic, Viewers::Wire wire, const Hub::Settings& settings)
    : gauge_(metrics::gauge(
          "weir_relay_viewers", "Viewers connected now.",
          {{"topic", valid_utf8(topic.name)}, {"wire", wire == Viewers::Wire::websocket ? "websocket" : "http-ts"}})) {
    auto plan = settings.viewers;
    plan.wire = wire;
    plan.policy = settings.viewer_policy;
    if (wire == Viewers::Wire::http_ts) {
        viewers_ = Viewers::create(shards, home, topic.out(), std::move(plan));
        return;
    }
    framer_ = ws::make_framer();
    framed_ =
        Stream::create(home.executor(), home.clock(), stream_settings(settings, fmt::format("{} framed", topic.name)));
    Policy policy;
    policy.budget_bytes = settings.ring_bytes;
    policy.budget_time = settings.ring_time;
    reader_ = topic.out().attach(policy);
    if (topic.mix) reader_->on_ready([this] { forward(); });
    viewers_ = Viewers::create(shards, home, *framed_, std::move(plan));
    forward();
}

Face::~Face() = default;

void Face::come() {
    ++watchers_;
    gauge_.add(1);
}

bool Face::go(SteadyTime now) {
    gauge_.add(-1);
    if (--watchers_ != 0) return false;
    idle_since_ = now;
    return true;
}

/// Right when something was published: frames are made once, for all.
void Face::forward() {
    while (reader_) {
        auto batch = reader_->poll(step_bytes, step_items);
        if (!batch || (*batch)->items.empty()) return;
        for (const auto& item : (*batch)->items) (void)framer_->feed(*item, items_).has_value();
        (void)framed_->publish(items_).has_value();  // refuses only after its end
        items_.clear();
    }
}

Task<void> Face::close() {
    co_await viewers_->stop();
    reader_.reset();
}

// ------------------------------------------------------------------ Topic

Topic::Topic(Shard& home, const Hub::Settings& settings, std::string topic_name)
    : name(std::move(topic_name)),
      mix(is_mix_name(name)),
      feed_(Stream::create(home.executor(), home.clock(), stream_settings(settings, name))),
      mix_(mix ? Mix::create(home.executor(), home.clock(), stream_settings(settings, name)) : nullptr),
      bytes_total_(metrics::counter(mix ? "weir_relay_stream_bytes_total" : "weir_relay_feed_bytes_total",
                                    "Bytes that publishers brought.", label(*this))),
      messages_total_(metrics::counter(mix ? "weir_relay_stream_messages_total" : "weir_relay_feed_messages_total",
                                       "Messages that publishers brought.", label(*this))),
      publishers_(metrics::gauge(mix ? "weir_relay_stream_publishers" : "weir_relay_feed_publishers",
                                 "Publishers connected now.", label(*this))) {}

Topic::~Topic() {
    set_inputs({});
}

Result<std::uint16_t> Topic::take_lane(PublisherInfo who, WallTime now) {
    const auto free = std::find_if(lanes_.begin(), lanes_.end(), [](const Lane& l) { return !l.taken; });
    const auto number = static_cast<std::size_t>(free - lanes_.begin());
    if (number > std::numeric_limits<std::uint16_t>::max()) return Error{Errc::busy, "too many publishers", name};
    if (free == lanes_.end()) lanes_.emplace_back();
    auto& lane = lanes_[number];
    lane.taken = true;
    lane.who = std::move(who);
    lane.since = now;
    lane.in = {};
    lane.init.reset();
    publishers_.add(1);
    return static_cast<std::uint16_t>(number);
}

void Topic::free_lane(std::uint16_t number) {
    auto& lane = lanes_[number];
    lane.taken = false;
    lane.who = {};
    lane.init.reset();
    publishers_.add(-1);
}

void Topic::publish(std::uint16_t number, std::span<const Item> items, SteadyTime now) {
    for (const auto& item : items) {
        if (const auto* init = std::get_if<InitPtr>(&item)) {
            lanes_[number].init = *init;
        } else if (const auto* chunk = std::get_if<Chunk>(&item)) {
            if (!mix) note(*chunk, now);
            for (auto* user : mixes_) user->note(*chunk, now);
        }
    }
    (void)feed_->publish(items).has_value();  // refuses only after its end
    tell_faces();
}

/// At once and not in a round of the shard's loop: each round costs more than what is done in it.
void Topic::tell_faces() {
    if (mix) return;
    for (const auto& face : faces)
        if (face) face->news();
}

bool Topic::faces_strained(SteadyTime now) const {
    constexpr auto just_now = Millis(20);
    return std::any_of(faces.begin(), faces.end(),
                       [&](const auto& face) { return face && now - face->viewers().stats().strained < just_now; });
}

double Topic::recordings_lag() const {
    const auto lag = [](const Topic& topic) {
        const auto& stream = topic.mix_ ? topic.mix_->stream() : *topic.feed_;
        return static_cast<double>(stream.waiting_lag()) / static_cast<double>(stream.settings().ring_bytes);
    };
    double most = lag(*this);
    for (const auto* user : mixes_) most = std::max(most, lag(*user));
    return most;
}

bool Topic::strained(SteadyTime now) const {
    // No further than that: what is published on a stream's name does not run backwards (VW-43), and rules may form loops.
    return faces_strained(now) ||
           std::any_of(mixes_.begin(), mixes_.end(), [&](const Topic* user) { return user->faces_strained(now); });
}

void Topic::note(const Chunk& chunk, SteadyTime now) {
    messages_.add(chunk.bytes.size(), chunk.arrival);
    rate_.add(now, chunk.bytes.size());
    bytes_total_.add(static_cast<double>(chunk.bytes.size()));
    messages_total_.add();
}

void Topic::set_inputs(std::vector<std::shared_ptr<Topic>> inputs) {
    if (!mix_ || inputs == inputs_) return;
    for (const auto& old : inputs_) std::erase(old->mixes_, this);
    std::vector<Mix::Input> feeds;
    for (const auto& input : inputs) {
        input->mixes_.push_back(this);
        feeds.push_back({input->name, &input->feed()});
    }
    mix_->set(std::move(feeds));
    inputs_ = std::move(inputs);
}

void Topic::close(const End& end) {
    feed_->close(end);
    tell_faces();
    if (mix_) mix_->stream().close(end);
}

void Topic::add_tracks(TopicStats& to) const {
    for (const auto& lane : lanes_) {
        if (!lane.taken || !lane.init || lane.init->closed) continue;
        to.tracks.insert(to.tracks.end(), lane.init->tracks.begin(), lane.init->tracks.end());
        to.messages = to.messages || lane.init->format.container == Container::opaque;
    }
}

std::size_t Topic::viewers(Viewers::Wire wire) const {
    const auto& face = faces[static_cast<std::size_t>(wire)];
    return face ? face->viewers().stats().viewers : 0;
}

TopicStats Topic::stats(SteadyTime now) const {
    TopicStats s;
    s.name = name;
    s.mix = mix;
    if (!mix) add_tracks(s);
    for (const auto& input : inputs_) {
        s.feeds.push_back(input->name);
        input->add_tracks(s);
    }
    for (const auto& lane : lanes_)
        if (lane.taken) s.publishers.push_back({lane.who, lane.since, lane.in});
    s.stream = mix_ ? mix_->stream().stats() : feed_->stats();
    s.viewers_ws = viewers(Viewers::Wire::websocket);
    s.viewers_ts = viewers(Viewers::Wire::http_ts);
    for (std::size_t i = 0; i < faces.size(); ++i) {
        s.sent_bytes += served[i].bytes;
        s.skips += served[i].skips;
        if (!faces[i]) continue;
        const auto now_served = faces[i]->viewers().stats();
        s.sent_bytes += now_served.bytes;
        s.skips += now_served.skips;
    }
    s.bits_per_second = rate_.bits_per_second(now);
    s.message_bytes = running(messages_.bytes());
    s.message_gap_ms = running(messages_.gap_ms());
    return s;
}

}  // namespace weir::relay
