#include "apps/relay/console.h"

#include <utility>

#include "apps/relay/admin.h"
#include "apps/relay/hop.h"
#include "apps/relay/json_text.h"
#include "base/log.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::relay {
namespace {

constexpr std::size_t longest_message = 64u << 10;
constexpr Micros proven = std::chrono::seconds(10);

/// {"error":…}: the answer to something, never a command.
bool is_error(std::string_view message) {
    const auto value = parse_json_text(message);
    return value && value->kind == JsonText::Kind::object && value->find("error") != nullptr;
}

}  // namespace

void carry_out(RuleKeeper& keeper, const std::string& message, std::function<void(std::string)> reply) {
    auto answer = answer_admin(message, keeper.view());
    if (answer.change.what == Change::What::none) return reply(std::move(answer.reply));
    keeper.make(answer.change);
    keeper.when_saved([&keeper, reply = std::move(reply), text = std::move(answer.reply)] {
        const auto why = keeper.save_error();
        reply(why.empty() ? text : fmt::format(R"({{"error":{}}})", go_quoted("done, but not saved: " + why)));
    });
}

struct Console::State {
    State(std::shared_ptr<Resolver> r, RuleKeeper& k, Plan p)
        : resolver(std::move(r)), keeper(k), plan(std::move(p)), tasks(keeper.home().executor()) {}

    Task<void> run();
    Task<bool> pause(Backoff& backoff, Error why);
    Task<Error> serve(WebSocket& socket);

    std::shared_ptr<Resolver> resolver;
    RuleKeeper& keeper;
    const Plan plan;
    Status now{"dialling", {}};
    TaskGroup tasks;
};

Task<Error> Console::State::serve(WebSocket& socket) {
    for (;;) {
        auto message = co_await socket.read();
        if (!message) co_return message.error();
        const std::string text(message->payload.text());
        if (is_error(text)) continue;
        std::function<void(std::function<void(std::string)>)> question =
            [this, text](std::function<void(std::string)> reply) { carry_out(keeper, text, std::move(reply)); };
        auto reply = co_await ask<std::string>(keeper.home(), std::move(question));
        if (!reply) co_return Error{Errc::cancelled, "stopped", "console"};
        const auto payload = Bytes::copy_of(*reply);
        auto sent = co_await socket.send(ws::Opcode::text, payload);
        if (!sent) co_return sent.error();
    }
}

/// False: it is time to end.
Task<bool> Console::State::pause(Backoff& backoff, Error why) {
    if (tasks.stopping().asked()) co_return false;
    const bool hopeless = why.code == Errc::bad_input && why.status == 0 && now.state == "dialling";
    now = {hopeless ? "refused" : "waiting", why.text()};
    WEIR_LOG(info, "the console is away", {"destination", masked_url(plan.url)}, {"error", why.text()});
    if (hopeless) co_return false;
    const auto wait = backoff.next(why.retry_after);
    co_return co_await keeper.home().clock().sleep_for(wait);
}

Task<void> Console::State::run() {
    Backoff::Settings steps;
    steps.first = Millis(1'000);
    steps.ceiling = Millis(10'000);
    Backoff backoff(steps);
    auto& clock = keeper.home().clock();
    for (bool going = true; going;) {
        now = {"dialling", now.why};
        WebSocketPlan dial;
        dial.url = plan.url;
        dial.tls = plan.tls;
        dial.use_proxy = plan.use_proxy;
        dial.settings.ping = plan.ping;
        dial.settings.limits.max_message = longest_message;
        auto socket = co_await connect_websocket(keeper.home(), *resolver, std::move(dial));
        if (!socket) {
            Error why = socket.error();
            going = co_await pause(backoff, std::move(why));
            continue;
        }
        const auto since = clock.now();
        now = {"connected", {}};
        Error why = co_await serve(**socket);
        if (tasks.stopping().asked()) {
            co_await uncancellable();
            std::string goodbye;
            co_await (*socket)->close(1000, std::move(goodbye));
            break;
        }
        if (clock.now() - since >= proven) backoff.reset();
        going = co_await pause(backoff, std::move(why));
    }
}

Console::Console(std::shared_ptr<Resolver> resolver, RuleKeeper& keeper, Plan plan)
    : state_(std::make_unique<State>(std::move(resolver), keeper, std::move(plan))) {
    state_->tasks.spawn(state_->run(), "relay console");
}
Console::~Console() = default;

Console::Status Console::status() const {
    return state_->now;
}

Task<void> Console::stop() {
    co_await uncancellable();
    co_await state_->tasks.stop("the relay stops");
}

}  // namespace weir::relay
