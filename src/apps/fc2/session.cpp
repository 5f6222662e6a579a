#include "apps/fc2/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_set>

#include "apps/fc2/control_line.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/trace.h"
#include "io/url_guard.h"
#include "proto/fc2/quality.h"
#include "runtime/task_group.h"

namespace weir::fc2 {
namespace {

constexpr int code_paid = 4101, code_login = 4507, code_elsewhere = 4512;  // FC2-24
constexpr int most_elsewhere = 5;                                          ///< lines refused so, before it is believed
constexpr int tries_until_asked = 3;
constexpr int most_tries_to_begin = 5;
constexpr int most_renewals = 5;  ///< questions for the new playlists on a new line
constexpr int most_refusals = 3;  ///< of fresh addresses, before the session is renewed
constexpr Micros refusals_forgotten = std::chrono::minutes(1);
constexpr Micros long_line = std::chrono::seconds(10);  ///< one that lasted so was a good one
constexpr Millis handshake_time{20'000};
constexpr std::uint64_t most_message = 10u << 20;
constexpr std::size_t most_comments_known = 4096, most_odd_told = 50;
const Backoff::Settings elsewhere_steps{Millis(2'000), Millis(30'000), 2.0};

constexpr std::string_view tracer = "fc2", api_tracer = "fc2/api";

void fail(trace::Span& span, const Error& why) {
    span.fail(name_of(why.code), why.text());
}

/// Comments of late, so that what is replayed on a new line is told once.
class KnownComments {
public:
    bool is_new(std::uint64_t key) {
        if (!known_.insert(key).second) return false;
        order_.push_back(key);
        if (order_.size() > most_comments_known) {
            known_.erase(order_.front());
            order_.pop_front();
        }
        return true;
    }

private:
    std::unordered_set<std::uint64_t> known_;
    std::deque<std::uint64_t> order_;
};

Backoff::Settings no_longer_than(Backoff::Settings steps, const Backoff::Settings& than) {
    steps.ceiling = std::min(steps.ceiling, than.ceiling);
    steps.first = std::min(steps.first, steps.ceiling);
    return steps;
}

class LiveSession final : public sites::Session {
public:
    LiveSession(SessionPlan plan, int wanted, Listener listener)
        : plan_(std::move(plan)),
          shard_(plan_.shard),
          listener_(std::move(listener)),
          wanted_(wanted),
          guard_(plan_.api.hosts().live),
          backoff_(plan_.settings.reconnect, plan_.settings.seed),
          elsewhere_(no_longer_than(elsewhere_steps, plan_.settings.reconnect), plan_.settings.seed),
          changed_(shard_.executor()),
          tasks_(shard_.executor()) {}

    Task<Result<Opened>> open() override;
    Task<Result<Url>> fresh_address() override;
    Task<void> close() override;
    [[nodiscard]] Status status() const override {
        return {line_ != nullptr, playing_ ? mode_text(mode_) : std::string(), as_whom_, lines_ > 0 ? lines_ - 1 : 0};
    }

private:
    using Line = std::shared_ptr<ControlLine>;

    // The lines, one after the other.
    Task<void> keep();
    Task<Result<Line>> connect();
    Task<Result<ControlServer>> control_server();
    Task<Result<std::unique_ptr<WebSocket>>> dial(const ControlServer& server);
    Task<Result<std::vector<Playlist>>> ask_playlists(Line line);
    Task<ControlLine::End> attend(Line line);
    /// How long to wait before the next line; nothing: there is to be none.
    Task<std::optional<Millis>> pause_after(ControlLine::End end, bool connected);
    std::optional<Millis> pause_elsewhere(const Error& why);
    Task<bool> live_is_over();
    void finish(Result<std::string> why);
    Task<void> beat(Line line) { co_await line->beat(); }

    // What is played.
    Task<std::optional<Choice>> wait_for_quality(Error& why);
    Task<std::optional<Choice>> look_once(Error& why);
    Task<void> renew(Line line, unsigned number);
    Task<void> upgrade();
    Task<bool> can_be_had(const Choice& choice);
    Task<bool> fresh_from(Line line);
    Task<Line> any_line();
    [[nodiscard]] std::optional<Choice> choice_again(const std::vector<Playlist>& playlists) const;
    /// False: its address is none.
    bool play(const Choice& choice, bool tell);
    [[nodiscard]] std::optional<Error> ended() const;
    void hear(const Comments& comments);
    void hear(const Other& other);

    SessionPlan plan_;
    Shard& shard_;
    const Listener listener_;
    const int wanted_;
    const UrlGuard guard_;
    Backoff backoff_, elsewhere_;

    Line line_;
    unsigned lines_ = 0, renewed_ = 0;  ///< lines so far; the newest whose playlists are known
    int tries_ = 0, refused_elsewhere_ = 0;
    std::string as_whom_ = "anonymous";
    std::optional<Error> failed_;  ///< there will be no more lines
    bool closing_ = false;

    bool playing_ = false, as_wished_ = false;
    int mode_ = 0, refusals_ = 0, waiting_for_fresh_ = 0;
    trace::Span line_span_, fetch_span_;  ///< of the line that is there; from the first question to the wished quality
    std::string line_url_;                ///< for spans: masked
    Url url_;
    SteadyTime last_refusal_{};
    KnownComments known_;
    std::set<std::string> odd_told_;
    Bell changed_;  ///< a line has come, its playlists are known, or there will be none
    TaskGroup tasks_;
};

// ------------------------------------------------------------------ lines

Task<void> LiveSession::keep() {
    co_await errors_not_throws();
    while (!failed_) {
        auto made = co_await connect();
        ControlLine::End end;
        if (made)
            end = co_await attend(*made);
        else
            end.why = made.error();
        const bool asked = closing_ || end.why.code == Errc::cancelled;
        if (!asked && !end.live_over) fail(line_span_, end.why);
        line_span_.end();
        if (asked) co_return;
        const auto pause = co_await pause_after(std::move(end), made.has_value());
        if (!pause) co_return;
        const bool on = co_await shard_.clock().sleep_for(*pause);
        if (!on) co_return;
    }
}

Task<Result<ControlServer>> LiveSession::control_server() {
    auto span = trace::begin(api_tracer, "fc2.GetWebSocketURL", listener_.trace);
    auto server = co_await plan_.api.control_server(plan_.channel, plan_.version);
    if (!server) fail(span, server.error());
    co_return server;
}

Task<Result<std::unique_ptr<WebSocket>>> LiveSession::dial(const ControlServer& server) {
    auto url = parse_url(server.url);
    if (!url) co_return within("address of the control server", url.error());
    url->scheme = url->scheme == "wss" ? "https" : "http";
    auto span = trace::begin(api_tracer, "ws.Dial", line_span_.context(), {{"url", line_url_}});
    WebSocketPlan socket_plan;
    socket_plan.url = server.url;
    socket_plan.headers = plan_.api.socket_headers(*url);
    socket_plan.timeout = handshake_time;
    socket_plan.settings.limits.max_message = most_message;
    socket_plan.settings.ping = socket_plan.settings.pong = Millis(0);
    socket_plan.guard = &guard_;
    auto socket = co_await connect_websocket(shard_, *plan_.resolver, std::move(socket_plan));
    if (!socket) {
        // A token that has aged, or a server that closes: no word about login or payment, those come over the line.
        auto why = within("control connection", socket.error());
        if (why.code == Errc::denied && why.status != 0) why.code = Errc::lost_peer;
        fail(span, why);
        co_return why;
    }
    co_return std::move(*socket);
}

Task<Result<LiveSession::Line>> LiveSession::connect() {
    auto server = co_await control_server();
    if (!server) co_return server.error();
    line_url_ = masked_url(server->url);
    line_span_ = trace::begin(tracer, "fc2.DownloadLiveStream.download", listener_.trace,
                              {{"channel_id", plan_.channel}, {"ws_url", line_url_}});
    auto socket = co_await dial(*server);
    if (!socket) co_return socket.error();
    const auto whom = server->user_name.empty() ? std::string("anonymous") : server->user_name;
    if (lines_ == 0 || whom != as_whom_)
        WEIR_LOG(info, "connected to the live", {"channel", plan_.channel}, {"as", whom}, {"server", line_url_});
    as_whom_ = whom;
    const ControlLine::Settings settings{plan_.settings.heartbeat, plan_.settings.answer};
    co_return std::make_shared<ControlLine>(shard_, std::move(*socket), settings);
}

Task<ControlLine::End> LiveSession::attend(Line line) {
    const auto since = shard_.clock().now();
    line_ = line;
    ++lines_;
    tasks_.spawn(beat(line), "fc2 heartbeats");
    if (playing_) tasks_.spawn(renew(line, lines_), "fc2 new playlists");
    changed_.notify();
    ControlLine::Hears hears;
    hears.comments = [this](const Comments& comments) { hear(comments); };
    hears.odd = [this](const Other& other) { hear(other); };
    hears.over = [this] {  // where addresses die with their line, the last units need it until close()
        finish(std::string("the live is over"));
        return playing_;
    };
    auto end = co_await line->serve(hears);
    line_.reset();
    if (shard_.clock().now() - since >= long_line) {
        tries_ = refused_elsewhere_ = 0;
        backoff_.reset();
        elsewhere_.reset();
    }
    co_return end;
}

std::optional<Millis> LiveSession::pause_elsewhere(const Error& why) {
    if (++refused_elsewhere_ > most_elsewhere) {
        finish(why);
        return {};
    }
    WEIR_LOG(warn, "fc2 says that the live is watched as us already; trying again", {"channel", plan_.channel});
    return elsewhere_.next();
}

Task<std::optional<Millis>> LiveSession::pause_after(ControlLine::End end, bool connected) {
    std::optional<Millis> none;
    if (failed_) co_return none;
    const auto& why = end.why;
    const bool refused = why.status == code_paid || why.status == code_login;
    if (end.live_over) finish(std::string("the live is over"));
    if (refused || (!connected && lines_ == 0)) finish(why);
    if (failed_) co_return none;
    if (why.status == code_elsewhere) co_return pause_elsewhere(why);
    ++tries_;
    if (tries_ == 1 && connected)
        WEIR_LOG(info, "the control connection was cut; making a new one", {"channel", plan_.channel},
                 {"error", why.text()});
    if (tries_ == tries_until_asked)
        WEIR_LOG(warn, "the control connection cannot be kept; trying on", {"channel", plan_.channel},
                 {"error", why.text()});
    const bool to_ask = tries_ % tries_until_asked == 0 || (!connected && tries_ <= 2);
    if (to_ask && why.code != Errc::busy) {
        const bool over = co_await live_is_over();
        if (over)
            finish(std::string("the channel is not live any more"));
        else if (why.code == Errc::denied && why.status == 0 && tries_ >= tries_until_asked)
            finish(why);  // FC2's own word; an HTTP 403 is a gateway's, and passes
    }
    if (!playing_ && tries_ >= most_tries_to_begin) finish(why);
    if (failed_) co_return none;
    co_return backoff_.next(why.retry_after);
}

/// Not what cannot be told.
Task<bool> LiveSession::live_is_over() {
    auto member = co_await plan_.api.member(plan_.channel, true);
    if (!member) co_return false;
    if (!member->version.empty()) plan_.version = member->version;
    co_return !member->live || (member->start > 0 && plan_.start > 0 && member->start != plan_.start);
}

/// Told to the listener once, and only when open() does not tell it.
void LiveSession::finish(Result<std::string> why) {
    if (failed_) return;
    failed_ = why ? Error{Errc::not_found, *why} : why.error();
    changed_.notify();
    if (playing_ && !closing_) listener_.over(why);
}

// ------------------------------------------------------------------ what is played

std::optional<Error> LiveSession::ended() const {
    if (failed_) return failed_;
    if (closing_) return Error{Errc::cancelled, "the session was closed"};
    return {};
}

/// None when there will be none, or the caller was cancelled.
Task<LiveSession::Line> LiveSession::any_line() {
    bool on = true;
    while (on && !line_ && !failed_ && !closing_) on = co_await changed_.wait();
    co_return line_;
}

Task<Result<std::vector<Playlist>>> LiveSession::ask_playlists(Line line) {
    const auto& parent = playing_ ? line_span_ : fetch_span_;
    auto span = trace::begin(api_tracer, "ws.GetHLSInformation", parent.context(), {{"url", line_url_}});
    auto playlists = co_await line->playlists();
    if (!playlists) fail(span, playlists.error());
    co_return playlists;
}

Task<std::optional<Choice>> LiveSession::look_once(Error& why) {
    std::optional<Choice> none;
    const auto line = co_await any_line();
    if (!line) {
        why = Error{Errc::lost_peer, "no control connection"};
        co_return none;
    }
    if (!fetch_span_.context().valid()) {
        const bool goes_on = plan_.params.allow_quality_upgrade;
        fetch_span_ = trace::begin(tracer, goes_on ? "fc2.FetchPlaylistAndQualityUpgrade" : "fc2.FetchPlaylist",
                                   line_span_.context(), {{"channel_id", plan_.channel}});
    }
    auto playlists = co_await ask_playlists(line);
    if (!playlists) {
        why = playlists.error();
        co_return none;
    }
    why = Error{Errc::not_found, "no playlist yet"};
    co_return choose_playlist(*playlists, wanted_);
}

/// The exact one, or the best of the last answer when the tries are used up.
Task<std::optional<Choice>> LiveSession::wait_for_quality(Error& why) {
    std::optional<Choice> best;
    const int most = std::max(plan_.params.wait_for_quality_max_tries, 1);
    Millis pause{0};
    for (int tries = 0; tries < most && !failed_;) {
        const bool on = co_await shard_.clock().sleep_for(pause);
        if (!on || closing_) break;
        pause = plan_.settings.quality_pause;
        auto choice = co_await look_once(why);
        // A line that broke has told nothing; keep() knows how many of those are too many.
        if (choice || why.code == Errc::not_found || why.code == Errc::timed_out) ++tries;
        if (!choice) continue;
        const bool first = !best;
        best = std::move(choice);
        if (best->exact) break;
        if (first)
            WEIR_LOG(info, "the wished quality is not there yet", {"channel", plan_.channel},
                     {"wished", mode_text(wanted_)}, {"there", mode_text(best->playlist.mode)});
    }
    co_return best;
}

Task<Result<sites::Session::Opened>> LiveSession::open() {
    co_await errors_not_throws();
    tasks_.spawn(keep(), "fc2 session");
    Error why{Errc::not_found, "no playlist yet"};
    auto choice = co_await wait_for_quality(why);
    const bool on = co_await shard_.clock().sleep_for(Micros(0));
    if (!on) co_return Error{Errc::cancelled, "stopped"};
    if (const auto end = ended()) why = *end;
    if (ended() || !choice) {
        fail(fetch_span_, why);
        fetch_span_.end();
        co_return why;
    }
    if (!play(*choice, false)) co_return Error{Errc::bad_input, "the playlist's address is none"};
    playing_ = true;
    if (plan_.params.allow_quality_upgrade) tasks_.spawn(upgrade(), "fc2 better quality");
    renewed_ = lines_;
    if (as_wished_ || !plan_.params.allow_quality_upgrade) fetch_span_.end();
    Opened opened{url_, mode_text(mode_), as_wished_, line_span_.context()};
    co_return opened;
}

bool LiveSession::play(const Choice& choice, bool tell) {
    auto url = parse_url(choice.playlist.url);
    if (!url || (url->scheme != "http" && url->scheme != "https")) {
        WEIR_LOG(warn, "a playlist's address cannot be used", {"channel", plan_.channel},
                 {"address", masked_url(choice.playlist.url)});
        return false;
    }
    const bool new_address = url->text() != url_.text();
    if (playing_ && mode_ != choice.playlist.mode)
        WEIR_LOG(info, "the quality changes", {"channel", plan_.channel}, {"from", mode_text(mode_)},
                 {"to", mode_text(choice.playlist.mode)});
    url_ = std::move(*url);
    mode_ = choice.playlist.mode;
    as_wished_ = choice.playlist.mode == wanted_;
    if (playing_ && as_wished_) fetch_span_.end();
    if (tell && new_address) listener_.follow(url_, mode_text(mode_));
    return true;
}

/// For a recording that goes on: the wished one if it may change to it, else the same; only when that is gone, another.
std::optional<Choice> LiveSession::choice_again(const std::vector<Playlist>& playlists) const {
    auto wished = choose_playlist(playlists, wanted_);
    if (wished && wished->exact && plan_.params.allow_quality_upgrade) return wished;
    if (auto same = choose_playlist(playlists, mode_); same && same->exact) return same;
    return wished;
}

/// The line is a new one: what it plays, or whether anything plays at all.
Task<void> LiveSession::renew(Line line, unsigned number) {
    co_await errors_not_throws();
    bool empty = false;
    for (int i = 0; i < most_renewals && line_ == line; ++i) {
        auto playlists = co_await ask_playlists(line);
        if (!playlists && playlists.error().code != Errc::timed_out) co_return;
        empty = playlists && playlists->empty();
        if (playlists) {
            auto choice = choice_again(*playlists);
            if (choice && line_ == line && play(*choice, waiting_for_fresh_ == 0)) {
                renewed_ = number;
                refusals_ = 0;
                changed_.notify();
                co_return;
            }
        }
        const bool on = co_await shard_.clock().sleep_for(plan_.settings.quality_pause);
        if (!on) co_return;
    }
    if (!empty || line_ != line) co_return;
    const bool over = co_await live_is_over();
    if (!over) co_return;
    finish(std::string("the channel is not live any more"));
    Error why{Errc::not_found, "the live is over"};
    co_await line->cut(std::move(why));
}

Task<void> LiveSession::upgrade() {
    co_await errors_not_throws();
    const auto every = std::max(plan_.params.poll_quality_upgrade_interval, Millis(1));
    while (!failed_) {
        const bool on = co_await shard_.clock().sleep_for(every);
        if (!on) co_return;
        const auto line = line_;
        if (as_wished_ || !line) continue;
        auto playlists = co_await line->playlists();
        if (!playlists) continue;
        const auto choice = choose_playlist(*playlists, wanted_);
        if (!choice || !choice->exact) continue;
        const bool ready = co_await can_be_had(*choice);
        if (ready && line_ == line && !as_wished_) (void)play(*choice, true);
    }
}

/// Lists name a quality before its playlist answers (FC2-46).
Task<bool> LiveSession::can_be_had(const Choice& choice) {
    auto url = parse_url(choice.playlist.url);
    if (!url) co_return false;
    auto got = co_await plan_.api.fetch(std::move(*url));
    co_return got && got->head.status >= 200 && got->head.status <= 299;
}

/// A new address from the line that is there; false: that is no way.
Task<bool> LiveSession::fresh_from(Line line) {
    const auto refused = url_.text();
    auto playlists = co_await ask_playlists(line);
    if (!playlists) co_return false;
    const auto choice = choice_again(*playlists);
    if (!choice) co_return false;
    const auto url = parse_url(choice->playlist.url);
    if (!url || (url->text() == refused && refusals_ > 1)) co_return false;
    co_return play(*choice, false);
}

Task<Result<Url>> LiveSession::fresh_address() {
    co_await errors_not_throws();
    if (const auto end = ended()) co_return *end;
    const auto now = shard_.clock().now();
    if (now - last_refusal_ > refusals_forgotten) refusals_ = 0;
    last_refusal_ = now;
    ++refusals_;
    const auto number = lines_;
    const auto line = line_;
    bool found = false;
    if (line && refusals_ < most_refusals) found = co_await fresh_from(line);
    if (found) co_return url_;
    bool on = co_await shard_.clock().sleep_for(Micros(0));
    if (!on) co_return Error{Errc::cancelled, "stopped"};
    ++waiting_for_fresh_;
    if (line && line_ == line && !closing_) {
        Error why{Errc::denied, "the playlist is refused; a new session is made"};
        co_await line->cut(std::move(why));
    }
    const auto by = shard_.clock().now() + 6 * plan_.settings.answer;
    while (on && renewed_ <= number && !failed_ && !closing_) on = co_await changed_.wait_until(by);
    --waiting_for_fresh_;
    if (const auto end = ended()) co_return *end;
    if (renewed_ > number) co_return url_;
    co_return Error{Errc::timed_out, "no new session in time"};
}

Task<void> LiveSession::close() {
    closing_ = true;
    changed_.notify();
    co_await tasks_.stop("the session is closed");
    fetch_span_.end();
    line_span_.end();
}

void LiveSession::hear(const Comments& comments) {
    for (const auto& comment : comments.comments)
        if (known_.is_new(comment.key)) listener_.comment(comment.line);
}

void LiveSession::hear(const Other& other) {
    if (odd_told_.size() >= most_odd_told || !odd_told_.insert(other.name + other.why).second) return;
    WEIR_LOG(warn, "a message of fc2 is not understood; it is left out", {"channel", plan_.channel},
             {"message", other.name}, {"why", other.why});
}

/// Never opens: what is wished is nothing that there is.
class NoSession final : public sites::Session {
public:
    explicit NoSession(Error why) : why_(std::move(why)) {}
    Task<Result<Opened>> open() override { co_return why_; }
    Task<Result<Url>> fresh_address() override { co_return why_; }
    Task<void> close() override { co_return; }
    [[nodiscard]] Status status() const override { return {}; }

private:
    Error why_;
};

}  // namespace

std::unique_ptr<sites::Session> make_session(SessionPlan plan, sites::Session::Listener listener) {
    const auto quality = quality_code(plan.params.quality);
    if (!quality) return std::make_unique<NoSession>(quality.error());
    const auto latency = latency_code(plan.params.latency);
    if (!latency) return std::make_unique<NoSession>(latency.error());
    return std::make_unique<LiveSession>(std::move(plan), *quality + *latency, std::move(listener));
}

}  // namespace weir::fc2
