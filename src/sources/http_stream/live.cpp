#include <algorithm>

#include "base/log.h"
#include "base/secret.h"
#include "proto/flv/flv_cutter.h"
#include "proto/mp4/fragment_cutter.h"
#include "proto/ts/cutter.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"
#include "sources/http_stream/connection.h"
#include "sources/http_stream/opaque_cutter.h"

namespace weir::http_stream {
namespace {

constexpr int refusals_that_end = 3;
constexpr std::size_t beginning_bytes = 64u << 10;

template <class Cutter, class Settings>
std::unique_ptr<UnitCutter> cutter_from(std::uint32_t first_epoch) {
    Settings settings;
    settings.first_epoch = first_epoch;
    return std::make_unique<Cutter>(settings);
}

std::unique_ptr<UnitCutter> make_cutter(Form form, std::uint32_t first_epoch) {
    switch (form) {
        case Form::ts:
            return cutter_from<ts::Cutter, ts::CutterSettings>(first_epoch);
        case Form::flv:
            return cutter_from<flv::Cutter, flv::CutterSettings>(first_epoch);
        case Form::fmp4:
            return cutter_from<mp4::FragmentCutter, mp4::CutterSettings>(first_epoch);
        default:
            return std::make_unique<OpaqueCutter>(first_epoch);
    }
}

/// Is this connection the same body once more? Its bytes are held as long as they repeat the first connection's beginning.
class Beginning {
public:
    enum class Says : std::uint8_t { other, maybe, same };

    void remember(const Bytes& piece) {
        const auto room = beginning_bytes - std::min(beginning_bytes, first_.size());
        first_.append(piece.text().substr(0, std::min(room, piece.size())));
    }
    Says compare(const Bytes& piece) {
        const auto count = std::min(piece.size(), first_.size() - seen_);
        if (piece.text().substr(0, count) != std::string_view(first_).substr(seen_, count)) return Says::other;
        seen_ += count;
        return seen_ == first_.size() ? Says::same : Says::maybe;
    }
    void restart() { seen_ = 0; }
    [[nodiscard]] bool known() const { return !first_.empty(); }

private:
    std::string first_;
    std::size_t seen_ = 0;
};

class Live final : public HttpStream {
public:
    Live(Clock& clock, HttpClient& http, CookieJar* cookies, HttpStreamSettings settings, Detected opened)
        : clock_(clock),
          settings_(std::move(settings)),
          form_(opened.sniffed.form),
          backoff_({Millis{250}, Millis{5'000}, 2.0}, settings_.seed),
          connection_(http, cookies, settings_, std::move(opened)),
          cutter_(make_cutter(form_, next_epoch_)) {}

    [[nodiscard]] Pace pace() const noexcept override { return Pace::live; }
    [[nodiscard]] std::optional<FileIdentity> file() const override { return std::nullopt; }
    void resume_live(Micros stream_time, Micros away) override {
        base_ = stream_time + std::max(away, Micros{0});
        resumed_ = true;
    }
    void resume_file(std::uint64_t) override {}
    [[nodiscard]] HttpStreamStats stats() const override {
        return {bytes_, connection_.opened(), outages_, std::nullopt, same_again_};
    }

    Task<Result<End>> run(ItemSink& sink, Demand& demand) override {
        co_await errors_not_throws();
        began_ = last_byte_ = clock_.now();
        position_ = base_;
        cutter_->rebase(base_);
        if (resumed_) items_.emplace_back(Discontinuity{0, 0, "nobody was recording"});
        std::optional<End> end;
        Result<> failed;
        while (!end && failed) {
            auto passed = co_await step();
            if (!passed && passed.error().code == Errc::bad_input && !delivered_) failed = passed.error();
            if (!passed) outage(passed.error());
            auto taken = co_await hand_on(sink);
            if (!taken) failed = taken.error();
            if (!passed && failed && !demand.stop.asked()) co_await pause(demand);
            end = is_over(demand);
        }
        co_await uncancellable();
        cutter_->abandon_unit(items_);
        auto taken = co_await hand_on(sink);
        if (!failed) co_return failed.error();
        if (!taken) co_return taken.error();
        co_return std::move(*end);
    }

private:
    /// One piece into the cutter. An error is an outage; bad_input is a stream that cannot be taken apart.
    Task<Result<>> step() {
        if (!connection_.is_open()) {
            auto opened = co_await reopen();
            if (!opened) co_return opened.error();
        }
        auto piece = co_await connection_.next();
        if (!piece) co_return lost(piece.error());
        if (piece->empty()) {
            clean_end_ = true;
            if (comparing_) same_again_ = true;  // shorter than what is remembered, and the same so far
            co_return Error{Errc::lost_peer, "the server ended the stream"};
        }
        co_return take(*piece);
    }

    Result<> take(const Bytes& piece) {
        last_byte_ = clock_.now();
        if (comparing_) {
            held_.push_back(piece);
            switch (beginning_.compare(piece)) {
                case Beginning::Says::maybe:
                    return {};
                case Beginning::Says::same:
                    same_again_ = true;
                    return {};
                case Beginning::Says::other:
                    break;
            }
            comparing_ = false;
            for (const auto& each : std::exchange(held_, {}))
                if (auto fed = feed(each); !fed) return fed;
            return {};
        }
        return feed(piece);
    }

    Result<> feed(const Bytes& piece) {
        if (connection_.opened() == 1) beginning_.remember(piece);
        if (outage_since_) come_back();
        bytes_ += piece.size();
        refusals_ = 0;
        clean_end_ = false;
        auto fed = cutter_->feed(piece, clock_.now(), items_);
        if (fed) backoff_.reset();  // bytes that cannot be taken apart are no reason for haste
        return fed;
    }

    /// The first bytes after an outage: what was missed is listed, and time goes on by as much.
    void come_back() {
        const auto away = std::chrono::duration_cast<Micros>(clock_.now() - *outage_since_);
        outage_since_.reset();
        const auto from = position_;
        Gap gap;
        gap.from = from;
        gap.to = from + away;
        gap.exact = false;
        gap.why = outage_why_;
        gap.tries = tries_;
        items_.emplace_back(std::move(gap));
        items_.emplace_back(Discontinuity{0, 0, outage_why_});
        ++outages_;
        tries_ = 0;
        if (const auto& init = cutter_->init()) next_epoch_ = init->epoch + 1;
        cutter_ = make_cutter(form_, next_epoch_);
        base_ = from + away;
        began_ = clock_.now();
        cutter_->rebase(base_);
        WEIR_LOG(info, "the stream came back", {"away", duration_text(away)});
    }

    Task<Result<>> reopen() {
        ++tries_;
        auto opened = co_await connection_.open(std::nullopt, {});
        if (!opened) co_return lost(opened.error());
        const auto form = connection_.answer().sniffed.form;
        if (form != form_)
            co_return Error{Errc::lost_peer, fmt::format("the answer is {} now", connection_.answer().sniffed.what)};
        comparing_ = clean_end_ && beginning_.known();
        beginning_.restart();
        co_return Result<>();
    }

    /// bad_input of the wire (a broken chunk length) is an outage like others.
    static Error lost(Error e) {
        if (e.code == Errc::bad_input) e.code = Errc::lost_peer;
        return e;
    }

    void outage(const Error& e) {
        connection_.drop();
        held_.clear();
        comparing_ = false;
        refusals_ = is_refusal(e) || e.code == Errc::unreachable ? refusals_ + 1 : 0;
        if (outage_since_) return;
        cutter_->abandon_unit(items_);
        outage_since_ = last_byte_;
        outage_why_ = clean_end_ ? "the server ended the stream" : short_reason(e);
        if (e.code != Errc::cancelled)
            WEIR_LOG(warn, "the stream was cut off, trying again", {"url", masked_url(settings_.url.text())},
                     {"why", e.text()});
    }

    Task<void> pause(Demand& demand) {
        if (is_over(demand)) co_return;
        const auto until = last_byte_ + settings_.idle_timeout;
        const auto wake = std::min(clock_.now() + backoff_.next(), until);
        const bool slept = co_await clock_.sleep_until(wake);
        if (!slept) demand.stop.ask("cancelled");
    }

    Task<Result<>> hand_on(ItemSink& sink) {
        if (items_.empty()) co_return Result<>();
        const auto items = std::exchange(items_, {});
        delivered_ = delivered_ || std::any_of(items.begin(), items.end(),
                                               [](const Item& i) { return std::holds_alternative<Chunk>(i); });
        if (const auto last = cutter_->last_dts())
            position_ = std::max(position_, *last);
        else if (!is_cut())
            position_ = base_ + std::chrono::duration_cast<Micros>(last_byte_ - began_);
        auto taken = co_await sink.accept(items);
        co_return taken;
    }

    /// Else the bytes have no times, and those of their arrival stand in.
    [[nodiscard]] bool is_cut() const { return form_ == Form::ts || form_ == Form::flv || form_ == Form::fmp4; }

    [[nodiscard]] std::optional<End> is_over(const Demand& demand) const {
        if (demand.stop.asked()) return End{EndReason::stopped, demand.stop.reason()};
        if (settings_.duration && position_ >= *settings_.duration) return End{EndReason::duration, {}};
        if (same_again_) return End{EndReason::endlist, "the server begins anew"};
        if (clean_end_ && refusals_ >= refusals_that_end) return End{EndReason::endlist, "the server ended the stream"};
        if (clock_.now() - last_byte_ >= settings_.idle_timeout)
            return End{EndReason::idle, fmt::format("no byte for {} s", settings_.idle_timeout.count() / 1000)};
        return std::nullopt;
    }

    Clock& clock_;
    HttpStreamSettings settings_;
    Form form_;
    Backoff backoff_;
    Connection connection_;
    std::uint32_t next_epoch_ = 1;
    std::unique_ptr<UnitCutter> cutter_;
    std::vector<Item> items_;
    Beginning beginning_;
    std::vector<Bytes> held_;
    Micros base_{0}, position_{0};
    SteadyTime began_{}, last_byte_{};
    std::optional<SteadyTime> outage_since_;
    std::string outage_why_;
    std::uint64_t bytes_ = 0, outages_ = 0;
    int tries_ = 0, refusals_ = 0;
    bool clean_end_ = false, comparing_ = false, same_again_ = false, resumed_ = false, delivered_ = false;
};

}  // namespace

std::unique_ptr<HttpStream> make_live(asio::any_io_executor, Clock& clock, HttpClient& http, CookieJar* cookies,
                                      HttpStreamSettings settings, Detected opened) {
    return std::make_unique<Live>(clock, http, cookies, std::move(settings), std::move(opened));
}

}  // namespace weir::http_stream
