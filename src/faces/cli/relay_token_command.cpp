#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "apps/relay/credentials.h"
#include "apps/relay/settings.h"
#include "base/env.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/time.h"
#include "faces/cli/exit_codes.h"
#include "faces/cli/relay_tools.h"
#include "faces/cli/session.h"
#include "proto/jwt/jwt.h"

namespace weir::faces {
namespace {

constexpr std::size_t longest_secret = 64u << 10;

Error wrong(std::string what) {
    return Error{Errc::bad_input, std::move(what)};
}

/// Never from the command line, where every process of the machine can read it.
Result<Secret> read_secret(const std::string& file) {
    std::string text;
    if (file.empty()) {
        text = env("RELAY_TOKEN_SECRET").value_or("");
        if (text.empty()) return wrong("a secret is needed: set RELAY_TOKEN_SECRET or give --secret-file FILE");
        return Secret(std::move(text));
    }
    std::ifstream opened;
    errno = 0;
    if (file != "-") opened.open(file, std::ios::binary);
    if (file != "-" && !opened) return from_errno(errno == 0 ? EIO : errno, file);
    std::istream& in = file == "-" ? std::cin : opened;
    for (char c = 0; text.size() <= longest_secret && in.get(c);) text += c;
    if (text.size() > longest_secret) return wrong(file + ": too long for a secret");
    return relay::secret_of(text, file);
}

std::vector<std::string> scopes_of(const RelayTokenArguments& a) {
    std::vector<std::string> out;
    if (a.read) out.emplace_back("read");
    if (a.write) out.emplace_back("write");
    if (a.admin) out.emplace_back("relay:admin");
    std::string_view rest = a.other_scopes;
    while (!rest.empty()) {
        const auto end = rest.find_first_of(", ");
        if (end != 0) out.emplace_back(rest.substr(0, end));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    return out;
}

Result<std::string> token_from(const RelayTokenArguments& a) {
    if (a.topic.empty() && a.audience.empty()) return wrong("--topic, or --audience with the path, is needed");
    if (a.lifetime.empty()) return wrong("--lifetime is needed: 3600, 90m, 12h");
    auto lifetime = parse_duration(a.lifetime);
    if (!lifetime) return within("--lifetime", lifetime.error());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*lifetime).count();
    if (seconds < 1) return wrong("--lifetime: at least a second");
    auto secret = read_secret(a.secret_file);
    if (!secret) return secret.error();
    const auto now = unix_millis(std::chrono::system_clock::now()) / 1000;
    jwt::Claims claims;
    if (!a.audience.empty()) claims.audience = {a.audience};
    claims.issued = claims.not_before = now - 1;  // a relay whose clock is a little behind takes it (PR-24)
    claims.expires = now + seconds;
    // The relay asks for one where it asks for a topic; crossbar's tokens have none.
    claims.booking_id = a.booking_id.empty() && !a.topic.empty() ? relay::new_uuid() : a.booking_id;
    claims.topic = a.topic;
    if (!a.topic.empty()) claims.prefix = a.connection_type;
    claims.scopes = scopes_of(a);
    return jwt::sign(claims, *secret);
}

}  // namespace

int run_relay_token(const RelayTokenArguments& arguments) {
    const auto token = token_from(arguments);
    if (!token) {
        std::string line;
        append_printable(line, token.error().text());
        return complain(line, token.error().code == Errc::bad_input ? exit_wrong_use : exit_failed);
    }
    fmt::print("{}\n", *token);
    if (std::fflush(stdout) != 0) return complain("standard output: cannot be written", exit_failed);
    return exit_ok;
}

}  // namespace weir::faces
