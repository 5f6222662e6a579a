#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace weir {

std::string_view name_of(Errc code) noexcept {
    switch (code) {
        case Errc::bad_input:
            return "bad_input";
        case Errc::denied:
            return "denied";
        case Errc::not_found:
            return "not_found";
        case Errc::unsupported:
            return "unsupported";
        case Errc::unreachable:
            return "unreachable";
        case Errc::timed_out:
            return "timed_out";
        case Errc::lost_peer:
            return "lost_peer";
        case Errc::busy:
            return "busy";
        case Errc::cancelled:
            return "cancelled";
        case Errc::no_space:
            return "no_space";
        case Errc::io:
            return "io";
        case Errc::internal:
            return "internal";
    }
    return "unknown";
}

void throw_exception_from_error(const Error& e, const boost::source_location& where) {
    throw std::logic_error(fmt::format("unchecked result at {}:{}: {}", where.file_name(), where.line(), e.text()));
}

Error from_errno(int err, std::string_view step) {
    Errc code = Errc::io;
    switch (err) {
        case ENOSPC:
        case EDQUOT:
            code = Errc::no_space;
            break;
        case EACCES:
        case EPERM:
        case EROFS:
            code = Errc::denied;
            break;
        case ENOENT:
            code = Errc::not_found;
            break;
        case EAGAIN:
        case EBUSY:
            code = Errc::busy;
            break;
        default:
            break;
    }
    return Error{code, std::strerror(err), std::string(step)};
}

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "weir: broken promise: %s (%s:%d); please report this\n", expression, file, line);
    std::abort();
}

}  // namespace weir
