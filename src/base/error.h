#pragma once
#include <fmt/format.h>

#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// What kind of failure it is; the text is for people, this is for code. The caller's policy decides what to do about
/// it: `unreachable` (no connection) and `denied` (a wrong key) look alike to a user and must not be retried alike.
enum class Errc {
    bad_input,    ///< what the user or a peer gave breaks a rule
    denied,       ///< 401, 403, a wrong key, a forbidden address, no permission on a file
    not_found,    ///< 404, no such file
    unsupported,  ///< understood, and not something weir does
    unreachable,  ///< no connection: DNS, refused, TLS
    timed_out,
    lost_peer,  ///< the connection ended before its time
    busy,       ///< try later: 429, 503, locked by another process
    cancelled,  ///< asked to stop; an outcome, never logged as an error
    no_space,
    io,
    internal,  ///< a bug of ours
};

[[nodiscard]] std::string_view name_of(Errc code) noexcept;

struct Error {
    Errc code = Errc::internal;
    std::string what;        ///< lower case, no full stop, no secrets: "chunk size 9000000 above limit 65536"
    std::string trail = {};  ///< outermost step first: "push twitch: connect: tls handshake"
    std::optional<std::chrono::milliseconds> retry_after = {};  ///< only when the peer said so
    int status = 0;                                             ///< HTTP status, when that was the failure

    /// "trail: what", the one line a person reads.
    [[nodiscard]] std::string text() const { return trail.empty() ? what : fmt::format("{}: {}", trail, what); }
};

[[noreturn]] void throw_exception_from_error(const Error& e, const boost::source_location& where);

/// `[[nodiscard]]` on the type: an error that is dropped does not compile in our build.
template <class T = void>
struct [[nodiscard]] Result : boost::system::result<T, Error> {
    using boost::system::result<T, Error>::result;
};

/// Adds the step that was under way, as a stack trace would, at the cost of one string.
[[nodiscard]] inline Error within(std::string_view step, Error e) {
    e.trail = e.trail.empty() ? std::string(step) : fmt::format("{}: {}", step, e.trail);
    return e;
}

/// errno as an Error: ENOSPC/EDQUOT no_space, EACCES/EPERM/EROFS denied, ENOENT not_found, the rest io.
[[nodiscard]] Error from_errno(int err, std::string_view step);

/// An assertion that stays on in release: says what was expected and where, then aborts. For our own bugs only, never
/// for input.
#define WEIR_ASSERT(cond) (static_cast<bool>(cond) ? void(0) : ::weir::assertion_failed(#cond, __FILE__, __LINE__))
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace weir
