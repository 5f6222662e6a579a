#include "faces/cli/relay_options.h"

#include <CLI/CLI.hpp>

#include "faces/cli/exit_codes.h"

namespace weir::faces {
namespace {

void add_network(CLI::App* c, relay::RelayWords& w) {
    c->add_option(
        "--listen", w.listen,
        "the address to listen on, with :PORT if wished; default 127.0.0.1. Any other opens the relay to other "
        "machines: then a push secret is needed, or --auth none");
    c->add_option("--port", w.port, "default 8888; 0: any free one; printed");
    c->add_option("--tls-cert", w.tls_cert, "PEM file: the listeners speak TLS; looked at again when it changes");
    c->add_option("--tls-key", w.tls_key, "PEM file");
    c->add_option("--tls-ca", w.tls_ca,
                  "PEM file with the authorities that destinations are checked by; default: the system's");
    c->add_option("--public-url", w.public_url,
                  "what clients reach, for the addresses that /session/ hands out; an open relay answers to "
                  "this name and to addresses alone");
    c->add_flag("--no-proxy", w.no_proxy, "do not use HTTP_PROXY and HTTPS_PROXY for destinations");
    c->add_option("--ping", w.ping, "a websocket is asked for a sign of life so often (54s); 0: never");
    c->add_option("--ingest-timeout", w.ingest_timeout,
                  "a pusher that is silent for so long is let go; default: never");
    c->add_option(
        "--viewer-budget", w.viewer_budget,
        "bytes that wait for a slow viewer or destination at most (4M), before it skips to the newest key frame");
    c->add_option("--viewer-budget-time", w.viewer_budget_time, "the same in time (5s)");
}

void add_access(CLI::App* c, relay::RelayWords& w) {
    c->add_option("--push-secret", w.push_secret,
                  "what pushers have to bring: ?token=SECRET, or as the password in the URL, or Authorization: Bearer");
    c->add_option("--push-secret-file", w.push_secret_file, "the same, out of a file: others see command lines");
    c->add_option("--admin-token", w.admin_token,
                  "for /api, /ws/api and /metrics, brought the same ways; made and shown once when the relay is open");
    c->add_option("--admin-token-file", w.admin_token_file, "the same, out of a file");
    c->add_option("--viewer-secret", w.viewer_secret,
                  "viewers bring JSON web tokens signed with it (weir relay token)");
    c->add_option("--viewer-secret-file", w.viewer_secret_file, "the same, out of a file");
    c->add_option("--viewer-key", w.viewer_key,
                  "PEM file: a public key (RSA, EC) or a certificate in the place of that secret");
    c->add_option("--audience", w.audience, "what tokens have to name as their audience");
    c->add_flag("--allow-no-booking-id", w.allow_no_booking_id,
                "tokens for a topic (practable's) need no booking id; crossbar's never do");
    c->add_option("--viewers", w.viewers, "anyone: who brings no token may view, and only that; token (the default)");
    c->add_option("--auth", w.auth, "none: everybody who reaches an open relay may do what has no secret");
    c->add_option("--allow-origin", w.allow_origins,
                  "pages of this origin may use the relay; * for all; may be repeated")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_work(CLI::App* c, relay::RelayWords& w) {
    c->add_option("--rules", w.rules, "a file that rules are kept in and restored from; SIGHUP reads it again");
    c->add_option("--record-dir", w.record_dir, "the folder of recordings (recordings)");
    c->add_option(
         "--command", w.commands,
         "FEED=[\"program\",\"argument\",…]: runs while somebody watches FEED; {url} is where it pushes, {feed} the "
         "feed; no shell; may be repeated")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    c->add_option("--api", w.api, "ws(s)://… that becomes the console (VW_API)");
    c->add_option("--jsmpeg-secret", w.jsmpeg_secret,
                  "take the place of jsmpeg's relay: http://HOST:8081/SECRET in, ws://HOST:8082/ out");
    c->add_option("--jsmpeg-secret-file", w.jsmpeg_secret_file, "the same, out of a file");
    c->add_option("--jsmpeg-ports", w.jsmpeg_ports, "IN,OUT (8081,8082)");
    c->add_flag("--no-page", w.no_page, "no page for people at /");
}

}  // namespace

CLI::App* add_relay_options(CLI::App& app, RelayArguments& arguments) {
    auto* c = app.add_subcommand("relay",
                                 "pass MPEG-TS on: pushed by HTTP, out by websocket and HTTP-TS; in the place of vw, "
                                 "jsmpeg's relay and crossbar");
    add_network(c, arguments.words);
    add_access(c, arguments.words);
    add_work(c, arguments.words);
    add_telemetry_options(*c, arguments.telemetry);
    c->footer(
        std::string("\nExamples:\n"
                    "  weir relay\n"
                    "  ffmpeg -re -i film.mp4 -f mpegts -codec:v mpeg1video -bf 0 http://127.0.0.1:8888/ts/video0\n"
                    "  curl -d '{\"stream\":\"stream/a\",\"feeds\":[\"video0\",\"audio0\"]}' "
                    "http://127.0.0.1:8888/api/streams\n"
                    "  curl -d '{\"id\":\"0\",\"stream\":\"stream/a\",\"destination\":\"wss://host/in/a\"}' "
                    "http://127.0.0.1:8888/api/destinations\n"
                    "  ffplay http://127.0.0.1:8888/live/video0.ts\n"
                    "  weir relay --listen 0.0.0.0 --push-secret-file push.txt --viewers anyone --rules rules.json\n"
                    "  weir relay --jsmpeg-secret s3cret\n"
                    "  weir relay --command 'cam=[\"ffmpeg\",\"-i\",\"/dev/video0\",\"-f\",\"mpegts\",\"{url}\"]'\n\n"
                    "Each flag but --command is also a variable: --push-secret is VW_PUSH_SECRET (or RELAYHOST_…, "
                    "WEIR_RELAY_…); flags count more.\nCtrl-C ends it; SIGHUP reads the rules again.\n\n") +
        exit_code_table);
    return c;
}

}  // namespace weir::faces
