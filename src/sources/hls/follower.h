#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/task_group.h"
#include "sources/hls/lane.h"
#include "sources/hls/loader.h"

namespace weir::hls {

/// HlsSource: reads the multivariant playlist, chooses, and runs a Lane for the rendition and one for each alternate
/// sound, on one clock and into one sink.
class Follower final : public HlsSource, private Presentation::Owner {
public:
    Follower(asio::any_io_executor ex, Clock& clock, HttpClient& http, CookieJar* cookies, HlsSettings settings);
    ~Follower() override;

    [[nodiscard]] Pace pace() const noexcept override { return main_.finite() ? Pace::demand : Pace::live; }
    Task<Result<End>> run(ItemSink& sink, Demand& demand) override;
    Task<Result<>> prepare(Demand& demand) override;
    [[nodiscard]] bool continues() const override { return main_.continues(); }
    void drop_resume() override;
    void follow(Url url) override;
    void ends_soon(Millis idle) override { main_.ends_soon(idle); }
    [[nodiscard]] HlsStats stats() const override;

private:
    /// Alternate audio and the lane it has.
    struct Beside {
        Rendition rendition;
        Url url;
        std::unique_ptr<Lane> lane;
        std::unique_ptr<TaskGroup> task;
        bool ended = false;
    };

    Task<Result<End>> read(Demand& demand);
    void tell_of_last(trace::Span& span) const;
    Task<Result<Loader::Loaded>> load_first(Demand& demand);
    Task<Result<std::optional<Url>>> ask_for_address();
    Task<Result<>> choose(Loader::Loaded& loaded, Demand& demand);
    Result<> choose_sound(const Url& base);
    void start_beside();
    Task<void> run_beside(Beside& beside);
    Task<void> end_beside(Demand& demand, const Result<End>& ended);
    [[nodiscard]] bool all_ended() const;

    Task<Result<std::optional<Url>>> fresh_address(const Lane& lane) override;
    void look_at(Demand& demand) override;
    void switched(const Lane& lane, const Switch& to, const Result<>& outcome) override;
    Result<> serve_wish(const std::string& wish);

    HlsSettings settings_;
    Loader loader_;
    Presentation presentation_;
    Demand* demand_ = nullptr;

    std::optional<MasterPlaylist> master_;
    std::optional<Variant> variant_, next_variant_;
    Url master_url_, master_base_;  ///< as asked for; what its URIs are relative to
    Url main_url_;
    std::string wish_;  ///< under way
    std::string rendition_;
    trace::Context reading_;  ///< of the span that run() is

    Lane main_;
    std::vector<Beside> beside_;
    Bell ended_;
};

}  // namespace weir::hls
