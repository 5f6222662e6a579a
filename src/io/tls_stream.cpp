#include "io/tls_stream.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weir::net {
namespace {

constexpr std::size_t record_size = 16u << 10;

bool is_numeric(const std::string& host) {
    std::array<std::byte, sizeof(in6_addr)> any;
    return inet_pton(AF_INET, host.c_str(), any.data()) == 1 || inet_pton(AF_INET6, host.c_str(), any.data()) == 1;
}

bool expect_host(SSL* ssl, const std::string& host, bool verify) {
    const bool numeric = is_numeric(host);
    // RFC 6066 3: no literal addresses in server_name.
    if (!numeric && SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) return false;
    if (!verify) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
        return true;
    }
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    auto* const rules = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return numeric ? X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1
                   : X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) == 1;
}

/// The next record's worth of plaintext: in place where one piece fills it, else copied together.
std::span<const std::byte> next_record(std::span<const Bytes> parts, std::size_t skip) {
    static thread_local std::array<std::byte, record_size> together;
    std::size_t filled = 0, of_last = 0;
    bool from_its_start = false;
    for (const auto& part : parts) {
        if (skip >= part.size()) {
            skip -= part.size();
            continue;
        }
        const auto rest = part.view().subspan(skip);
        if (filled == 0 && rest.size() >= record_size) return rest.first(record_size);
        from_its_start = skip == 0;
        skip = 0;
        of_last = std::min(rest.size(), record_size - filled);
        std::memcpy(together.data() + filled, rest.data(), of_last);
        filled += of_last;
        if (filled == record_size) break;
    }
    if (from_its_start && of_last == 1 && filled > 1) --filled;  // see try_write in the header
    return std::span(together).first(filled);
}

}  // namespace

TlsStream::TlsStream(ssl_st* ssl, bool client, std::string host) : ssl_(ssl), host_(std::move(host)), client_(client) {}

TlsStream::~TlsStream() {
    SSL_free(ssl_);
}

Result<std::unique_ptr<TlsStream>> TlsStream::create(const TlsContext& context, int fd, const std::string& host,
                                                     bool verify) {
    ERR_clear_error();
    SSL* const ssl = SSL_new(context.get());
    if (!ssl) return Error{Errc::internal, "no memory for a tls connection"};
    std::unique_ptr<TlsStream> stream(new TlsStream(ssl, !host.empty(), host));
    if (SSL_set_fd(ssl, fd) != 1) return Error{Errc::internal, "no memory for a tls connection"};
    if (host.empty()) {
        SSL_set_accept_state(ssl);
        return stream;
    }
    SSL_set_connect_state(ssl);
    if (!expect_host(ssl, host, verify))
        return Error{Errc::bad_input, fmt::format("'{}' is no host name for tls", host)};
    return stream;
}

Result<Ready> TlsStream::wanted(int result, const char* step) {
    const int before = errno;
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_WANT_READ:
            return Ready::read;
        case SSL_ERROR_WANT_WRITE:
            return Ready::write;
        default:
            break;
    }
    broken_ = true;
    const auto code = ERR_peek_error();
    const auto refused = SSL_get_verify_result(ssl_);
    if (client_ && !done_ && refused != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return Error{Errc::unreachable,
                     fmt::format("certificate of {} is not trusted: {}; set SSL_CERT_FILE to add your own CA", host_,
                                 X509_verify_cert_error_string(refused))};
    plain_http_ = ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    const char* const reason = code ? ERR_reason_error_string(code) : nullptr;
    const auto why = reason ? std::string(reason) : before ? from_errno(before, "").what : "the peer has closed";
    ERR_clear_error();
    return Error{done_ ? Errc::lost_peer : Errc::unreachable, fmt::format("{}: {}", step, why), "connection"};
}

Result<Ready> TlsStream::handshake() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
        done_ = maybe_more_ = true;
        return Ready::nothing;
    }
    return wanted(result, "tls handshake");
}

Result<std::optional<std::size_t>> TlsStream::try_read(std::span<std::byte> into) {
    if (broken_) return Error{Errc::lost_peer, "tls has failed", "connection"};
    std::size_t got = 0;
    read_needs_ = Ready::read;
    while (got < into.size()) {
        ERR_clear_error();
        errno = 0;
        std::size_t count = 0;
        const int result = SSL_read_ex(ssl_, into.data() + got, into.size() - got, &count);
        if (result == 1) {
            got += count;
            continue;
        }
        if (SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN) {
            maybe_more_ = true;  // the end is to be seen again and again
            return std::optional(got);
        }
        auto needs = wanted(result, "tls");
        if (needs) read_needs_ = *needs;
        maybe_more_ = broken_;  // what came before an error is handed out first
        if (got > 0) return std::optional(got);
        if (!needs) return needs.error();
        return std::optional<std::size_t>{};
    }
    maybe_more_ = true;
    return std::optional(got);
}

Result<std::size_t> TlsStream::push(std::span<const std::byte> record) {
    std::size_t done = 0;
    write_needs_ = Ready::write;
    while (done < record.size()) {
        ERR_clear_error();
        errno = 0;
        std::size_t count = 0;
        const int result = SSL_write_ex(ssl_, record.data() + done, record.size() - done, &count);
        if (result == 1) {
            done += count;
            continue;
        }
        auto needs = wanted(result, "tls");
        if (!needs) return needs.error();
        write_needs_ = *needs;
        break;
    }
    return done;
}

Result<std::size_t> TlsStream::try_write(std::span<const Bytes> parts, std::size_t skip) {
    if (!held_.empty()) {
        auto done = push(held_);
        if (!done) return done.error();
        held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(*done));
        if (!held_.empty()) return std::size_t{0};
        held_.shrink_to_fit();
    }
    std::size_t taken = 0;
    for (;;) {
        const auto record = next_record(parts, skip + taken);
        if (record.empty()) return taken;
        if (owed_) {
            if (record.front() != *owed_)
                return Error{Errc::internal, "a write that had begun was not gone on with", "connection"};
            owed_.reset();
            ++taken;
            continue;
        }
        auto done = push(record);
        if (!done) return done.error();
        taken += record.size();
        if (*done == record.size()) continue;
        owed_ = record.back();
        held_.assign(record.begin() + static_cast<std::ptrdiff_t>(*done), record.end());
        return taken - 1;
    }
}

void TlsStream::say_goodbye() noexcept {
    if (!done_ || broken_ || bye_ || !held_.empty()) return;
    bye_ = true;
    ERR_clear_error();
    (void)SSL_shutdown(ssl_);
    ERR_clear_error();
}

}  // namespace weir::net
