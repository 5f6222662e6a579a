#include "apps/relay/rules_file.h"

#include <utility>
#include <vector>

#include "base/log.h"
#include "runtime/task_group.h"
#include "runtime/whole_file.h"

namespace weir::relay {
namespace {

constexpr std::uint64_t largest_rules_file = 16u << 20;

}  // namespace

struct RulesFile::State {
    State(Shard& at, FileLane& l, Path p, Millis wait)
        : home(at), lane(l), strand(l.strand()), path(std::move(p)), again(wait), tasks(home.executor()) {}

    Task<void> save();
    Task<void> save_again();

    Shard& home;
    FileLane& lane;
    FileLane::Strand strand;
    const Path path;
    const Millis again;
    std::function<std::string()> text;
    std::uint64_t version = 0, saved = 0;
    bool saving = false, failed = false, patient = false;  ///< patient: save_again() is under way
    std::string error;
    std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting;
    TaskGroup tasks;
};

Task<void> RulesFile::State::save() {
    co_await uncancellable();
    do {
        const auto now = version;
        std::function<Result<>()> job = [at = path, all = text()] { return replace_file(at, all); };
        auto written = co_await lane.run(strand, std::move(job));
        saved = now;
        failed = !written;
        error = written ? std::string() : written.error().text();
        if (!written) WEIR_LOG(error, "the rules could not be saved", {"error", error});
        for (auto& [wanted, f] : std::exchange(waiting, {})) {
            if (wanted <= saved)
                f();
            else
                waiting.emplace_back(wanted, std::move(f));
        }
    } while (saved < version);
    saving = false;
    if (failed && !std::exchange(patient, true)) tasks.spawn(save_again(), "relay rules file");
}

Task<void> RulesFile::State::save_again() {
    while (failed) {
        const bool slept = co_await home.clock().sleep_for(again);
        if (!slept) break;
        if (failed && !std::exchange(saving, true)) co_await save();
    }
    patient = false;
}

RulesFile::RulesFile(Shard& home, FileLane& lane, Path path, Millis again)
    : state_(std::make_unique<State>(home, lane, std::move(path), again)) {}
RulesFile::~RulesFile() = default;

Task<Result<std::optional<Rules>>> RulesFile::read() {
    const auto found = std::make_shared<std::optional<Rules>>();
    std::function<Result<>()> job = [at = state_->path, found]() -> Result<> {
        auto text = read_whole_file(at, largest_rules_file);
        if (!text) return text.error();
        if (!*text) return {};
        auto rules = parse_rules_file(**text);
        if (!rules) return within(at.string(), rules.error());
        *found = std::move(*rules);
        return {};
    };
    auto done = co_await state_->lane.run(state_->strand, std::move(job));
    if (!done) co_return done.error();
    co_return std::move(*found);
}

Task<Result<std::optional<Rules>>> RulesFile::read_settled() {
    for (;;) {
        const auto version = state_->version;
        const bool settled = !state_->saving;
        auto found = co_await read();
        if (!found || (settled && version == state_->version)) co_return found;
    }
}

Task<Result<>> RulesFile::try_place() {
    std::function<Result<>()> job = [at = state_->path] { return try_to_replace_file(at); };
    co_return co_await state_->lane.run(state_->strand, std::move(job));
}

void RulesFile::changed(std::function<std::string()> text) {
    state_->text = std::move(text);
    ++state_->version;
    if (!std::exchange(state_->saving, true)) state_->tasks.spawn(state_->save(), "relay rules file");
}

void RulesFile::when_saved(std::function<void()> f) {
    if (state_->saved >= state_->version) return f();
    state_->waiting.emplace_back(state_->version, std::move(f));
}

const std::string& RulesFile::error() const noexcept {
    return state_->error;
}

Task<void> RulesFile::stop() {
    co_await uncancellable();
    co_await state_->tasks.stop("the relay stops");  // one that is being written is written
    if (state_->failed || state_->saved < state_->version) co_await state_->save();
}

}  // namespace weir::relay
