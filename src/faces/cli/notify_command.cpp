#include "faces/cli/notify_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "base/text.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/session.h"
#include "io/resolver.h"
#include "runtime/deadline.h"
#include "telemetry/notify/sender.h"

namespace weir::faces {
namespace {

using telemetry::Sender;

/// "-" stands for lines of standard input: what is on a command line, everybody on this machine can read.
std::vector<std::string> with_standard_input(const std::vector<std::string>& said) {
    std::vector<std::string> urls;
    for (const auto& url : said) {
        if (url != "-") {
            urls.push_back(url);
            continue;
        }
        for (std::string line; std::getline(std::cin, line);)
            if (const auto plain = stripped(line); !plain.empty()) urls.emplace_back(plain);
    }
    return urls;
}

/// The service is named once.
std::string reason_of(const Sender::Outcome& outcome) {
    std::string why = outcome.result.error().text();
    const auto lead = outcome.scheme + ": ";
    while (why.starts_with(lead)) why.erase(0, lead.size());
    return why;
}

void show(const Sender::Outcome& outcome, std::size_t number, bool json) {
    const bool ok = outcome.result.has_value();
    if (json) {
        boost::json::object row{
            {"number", number}, {"service", outcome.scheme}, {"ok", ok}, {"ms", outcome.took.count()}};
        if (!ok) row["why"] = reason_of(outcome);
        fmt::print("{}\n", boost::json::serialize(row));
    } else if (ok) {
        fmt::print("{} {}: ok, {} ms\n", number, outcome.scheme, outcome.took.count());
    } else {
        fmt::print("{} {}: failed, {} ms: {}\n", number, outcome.scheme, outcome.took.count(), reason_of(outcome));
    }
}

class Test {
public:
    Test(Shard& shard, const NotifyTestArguments& arguments, std::vector<std::string> urls)
        : arguments_(arguments),
          http_(HttpClient::create(shard, Resolver::create(), {})),
          made_(Sender::create(shard, *http_, {.urls = std::move(urls)})) {}

    Task<int> run() {
        if (!made_) co_return complain(made_.error().text(), exit_wrong_use);
        notify::Message message;
        message.title = arguments_.title;
        message.text = arguments_.message;
        message.priority = arguments_.priority;
        const auto outcomes = co_await (*made_)->try_all(std::move(message));
        co_await (*made_)->stop(Millis{0});
        bool all = true;
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            show(outcomes[i], i + 1, arguments_.json);
            all = all && outcomes[i].result;
        }
        co_return all ? exit_ok : exit_failed;
    }

private:
    const NotifyTestArguments& arguments_;
    std::unique_ptr<HttpClient> http_;
    Result<std::unique_ptr<Sender>> made_;
};

}  // namespace

int run_notify_test(const NotifyTestArguments& arguments) {
    auto urls = with_standard_input(arguments.urls);
    if (urls.empty()) return complain("no url on standard input", exit_wrong_use);
    Shards shards(1);
    std::optional<Test> test;
    test.emplace(shards.at(0), arguments, std::move(urls));
    // A try leaves nothing behind that would have to be finished.
    return run_session(
        shards, [&] { return test->run(); }, [](const std::string& why) { std::_Exit(complain(why, exit_failed)); });
}

void add_notify(CLI::App& app, NotifyTestArguments& a) {
    auto* notify = app.add_subcommand("notify", "tell people: try the URLs of notification services");
    notify->require_subcommand(1);
    auto* c = notify->add_subcommand("test", "send one message to each service and say whether it was taken");
    c->add_option("url", a.urls, "services as in a configuration's notifier.urls; \"-\": one a line on standard input")
        ->required()
        ->type_name("URL");
    c->add_option("--title", a.title, "the message's title")->capture_default_str();
    c->add_option("--message", a.message, "its text")->capture_default_str();
    c->add_option("--priority", a.priority,
                  "0 (least) to 10, in the service's own scale where it has one; default: none")
        ->check(CLI::Range(0, 10));
    c->add_flag("--json", a.json, "one object a service, a line each");
    const auto footer = fmt::format(
        "\nExamples:\n"
        "  weir notify test gotify://gotify.example.com/TOKEN\n"
        "  weir notify test --title 'Hello' --message 'from the recorder' discord://TOKEN@WEBHOOKID "
        "ntfy://ntfy.sh/topic\n"
        "  weir notify test 'smtp://user:password@mail.example.com:587/?from=weir@example.com&to=me@example.com'\n"
        "  weir notify test --json - < urls.txt\n\n"
        "Services: {}.\n\nEach gets one try of at most 10 s; no URL is ever shown.\n\n{}",
        fmt::join(notify::service_schemes(), " "), exit_code_table);
    c->footer(footer);
    notify->footer(footer);
    c->final_callback([&a] { throw CLI::RuntimeError(run_notify_test(a)); });
}

}  // namespace weir::faces
